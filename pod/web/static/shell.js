// What all pages share: say so when the POD does not answer a form, and keep a form from being sent twice.

const trouble = document.getElementById("trouble");

function tell(words) {
  trouble.textContent = words;
  trouble.hidden = !words;
}

document.addEventListener("htmx:beforeRequest", () => tell(""));
document.addEventListener("htmx:sendError", () => tell("No answer from the POD. Nothing may have been done; try again."));
document.addEventListener("htmx:timeout", () => tell("The POD takes long to answer. Reload before you try again."));
document.addEventListener("htmx:responseError", (event) => {
  let words = "The POD refused this.";
  try {
    words = JSON.parse(event.detail.xhr.responseText).detail || words;
  } catch {
    // Not of the POD's own making; the sentence above must do.
  }
  tell(words);
});

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.target.matches("[hx-post]")) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
// A page that the back button brings back may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
