// A kept clip: go to the moment of the plate, show where it lies, make a link to it for others, and say when the
// browser cannot play it.

for (const clip of document.querySelectorAll("[data-clip]")) {
  const video = clip.querySelector("video"), trouble = clip.querySelector(".clip-trouble");
  const plateS = Number(clip.dataset.plateAt);
  const played = clip.querySelector(".fill"), mark = clip.querySelector(".mark");

  clip.querySelector("a.to-plate").onclick = (event) => {
    event.preventDefault();
    video.pause();
    video.currentTime = plateS;
    video.focus();
  };
  const place = () => {
    if (!Number.isFinite(video.duration)) return;
    mark.setAttribute("x", (100 * Math.min(plateS, video.duration)) / video.duration - 0.4);
    played.setAttribute("width", (100 * video.currentTime) / video.duration);
  };
  for (const news of ["durationchange", "timeupdate", "seeked"]) video.addEventListener(news, place);
  const share = clip.querySelector("button.share"), shared = clip.querySelector(".shared");
  share.hidden = false;
  share.onclick = async () => {
    share.disabled = true;
    shared.replaceChildren(...(await linked(share.dataset)));
    share.disabled = false;
  };
  const fail = () => (trouble.hidden = false);
  video.addEventListener("error", fail);
  // Sound alone is no clip: a browser without the decoder may load the file and show nothing.
  video.addEventListener("loadedmetadata", () => video.videoWidth || fail());
  if (video.error) fail();
  if (video.readyState) place();
}

// What to show of a link that was made, or why none was.
async function linked({ link, csrf }) {
  const request = { method: "POST", headers: { "X-CSRF-Token": csrf, Accept: "application/json" } };
  const answer = await fetch(link, request).catch(() => null);
  const said = await answer?.json().catch(() => ({}));
  const words = document.createElement("p");
  if (!answer?.ok) {
    words.className = "problem";
    words.textContent = said?.detail ?? "No link could be made: load this page again.";
    return [words];
  }
  const field = document.createElement("input");
  Object.assign(field, { readOnly: true, value: new URL(said.path, location).href, onfocus: () => field.select() });
  field.setAttribute("aria-label", "Link to this clip");
  const until = new Date(said.until).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  words.textContent = `Whoever has this link sees the clip until ${until}, without signing in. The audit says that it was made.`;
  return [field, words];
}
