// What all pages share: say so when the POD does not answer a form, and keep a form from being sent twice.

const trouble = document.getElementById("trouble");

function tell(words) {
  trouble.textContent = words;
  trouble.hidden = !words;
}

const NO_ANSWER = {
  get: "No answer from the POD: this page is out of date. It tries again by itself.",
  post: "No answer from the POD. Whether it was done is not known: reload this page and look.",
};

function unanswered(event) {
  tell(NO_ANSWER[event.detail.requestConfig.verb] || NO_ANSWER.post);
}

document.addEventListener("htmx:afterOnLoad", () => tell(""));
document.addEventListener("htmx:sendError", unanswered);
document.addEventListener("htmx:timeout", unanswered);
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
