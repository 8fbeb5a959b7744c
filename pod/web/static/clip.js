// A kept clip: go to the moment of the plate, show where it lies, and say when the browser cannot play it.

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
  const fail = () => (trouble.hidden = false);
  video.addEventListener("error", fail);
  // Sound alone is no clip: a browser without the decoder may load the file and show nothing.
  video.addEventListener("loadedmetadata", () => video.videoWidth || fail());
  if (video.error) fail();
  if (video.readyState) place();
}
