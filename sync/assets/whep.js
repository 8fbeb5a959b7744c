// <pb-live>: a camera live, with its state in words, the reason where it cannot play, and stills until it can.
//
//   <pb-live camera="entry" watch="/api/cameras/entry/watch" csrf="TOKEN" start="press">
//     <figure class="view"><img class="still" src="/cameras/entry/still.jpg" alt="…" width="960" height="540"></figure>
//   </pb-live>
//
// watch: where a token is asked for, with csrf. start="press": wait until somebody presses play.
// Without JavaScript the picture inside stands alone. Needs whep.css.

import { Stills } from "./stills.js";
import { WhepSession, ticketFrom } from "./whep_session.js";
import { fromThePod, transcoding, trouble } from "./whep_words.js";

const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const LOOK_EVERY_MS = 1_000;
const SLOW_AFTER_MS = 2_000, STUCK_AFTER_MS = 10_000; // without a new picture
const STEADY_AFTER_MS = 10_000; // a session that lasted begins the retries anew
const AWAY_AFTER_MS = 20_000; // out of sight; then the POD sends for nobody

const ICONS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M6 4.5h4.5v15H6zM13.5 4.5H18v15h-4.5z",
  full: "M4 10V4h6v2.5H6.5V10zM20 14v6h-6v-2.5h3.5V14z",
};

class Live extends HTMLElement {
  #session = null; #shown = null; #built = false; #stopped = false; #pressed = false;
  #inView = false; #seen = null; #tries = 0; #liveSinceMs = 0; #mode = ""; #reason = "";
  #frameAtMs = 0; #sums = null;
  #retry = 0; #away = 0; #looking = 0;

  connectedCallback() {
    if (!this.#built) this.#build();
    document.addEventListener("visibilitychange", this.#visible);
    addEventListener("pagehide", this.#leave);
    document.addEventListener("fullscreenchange", this.#turned);
    // Who asked for less motion gets none that they did not ask for.
    this.#stopped = this.getAttribute("start") === "press" || matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (this.#stopped) this.#show("idle", "Not playing");
    else this.#show("away", "Begins when it is in sight");
    // Tells at once what is in sight: neither the end of a long page nor a tab in the background watches anybody.
    this.#inView = false;
    this.#seen = new IntersectionObserver((entries) => {
      this.#inView = entries.at(-1).isIntersecting;
      this.#visible();
    });
    this.#seen.observe(this);
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#visible);
    removeEventListener("pagehide", this.#leave);
    document.removeEventListener("fullscreenchange", this.#turned);
    this.#seen.disconnect();
    this.#end();
    this.stills.want(false);
  }

  // ---- What is shown

  #build() {
    this.#built = true;
    this.figure = this.querySelector("figure");
    this.video = make("video", { muted: true, autoplay: true, playsInline: true, disablePictureInPicture: true });
    this.video.setAttribute("aria-label", `Live video of camera ${this.getAttribute("camera")}`);
    this.big = button("big", "play");
    this.big.onclick = () => this.#play();
    this.figure.querySelector("img").after(this.video, this.big);
    this.toggle = button("", "pause");
    this.toggle.onclick = () => (this.#stopped ? this.#play() : this.#pause());
    this.full = button("full", "full");
    this.full.onclick = () => this.#fullScreen();
    this.full.hidden = !this.requestFullscreen && !this.video.webkitEnterFullscreen;
    // Only the word is announced: the latency beside it changes every second.
    this.word = make("b", { className: "live-word" });
    this.word.setAttribute("role", "status");
    this.late = make("span", { className: "live-late quiet", title: "From the POD to the decoded picture, as this browser measures it; without the camera's own delay" });
    this.why = make("p", { className: "live-why quiet", hidden: true });
    const said = make("p", { className: "live-said" });
    said.append(this.word, " ", this.late);
    const bar = make("div", { className: "live-bar" });
    bar.append(this.toggle, said, this.full);
    this.figure.after(bar, this.why);
    this.stills = new Stills(this.figure.querySelector("img"), (has) => this.#still(has));
    this.#frame();
    this.figure.addEventListener("load", () => this.#frame(), true);
    this.video.addEventListener("resize", () => this.#frame());
    this.video.requestVideoFrameCallback?.(this.#drawn);
    name(this.big, `Watch camera ${this.getAttribute("camera")} live`);
    this.#turned();
  }

  // state: idle, connecting, live, slow, retrying, refused, paused, away.
  #show(state, word, why = "") {
    this.dataset.state = state;
    const plays = state === "live" || state === "slow" || state === "paused";
    this.dataset.picture = plays ? "video" : "still";
    if (this.word.textContent !== word) this.word.textContent = word;
    if (state !== "live") this.late.textContent = "";
    const words = why || (plays ? transcoding(this.#mode) : "");
    // What somebody has to do is said to those who listen; what passes by itself is not, again and again.
    this.why.setAttribute("aria-live", state === "refused" ? "polite" : "off");
    this.why.hidden = !words;
    this.why.textContent = words;
    this.big.hidden = state !== "idle" && state !== "paused";
    icon(this.toggle, this.#stopped ? "play" : "pause");
    name(this.toggle, this.#stopped ? "Play" : "Pause");
    if (plays) this.figure.classList.remove("blind");
    // A phone's own full screen shows no words, so nothing but live video may be there.
    if (state !== "live" && this.video.webkitDisplayingFullscreen) this.video.webkitExitFullscreen();
    this.#wantStills();
    this.dispatchEvent(new CustomEvent("live-state", { bubbles: true, detail: { state, word } }));
  }

  // Stills stand where nothing plays, as long as somebody sees them.
  #wantStills() {
    const { state, picture } = this.dataset;
    this.stills.want(picture === "still" && state !== "away" && this.#inSight() && this.figure.clientHeight > 0);
  }

  // The frame takes the form of the picture: what is drawn over it, such as masks, would lie elsewhere.
  #frame() {
    const { naturalWidth, naturalHeight } = this.figure.querySelector("img");
    const [width, height] = this.dataset.picture === "video" && this.video.videoWidth
      ? [this.video.videoWidth, this.video.videoHeight]
      : [naturalWidth, naturalHeight];
    if (width && height) this.style.setProperty("--picture", `${width} / ${height}`);
  }

  #still(has) {
    this.#frame();
    this.figure.classList.toggle("blind", !has);
    this.late.textContent = has && this.dataset.state !== "connecting" ? "Stills, one every 2 s" : "";
  }

  // With the bar: on a full screen, too, it has to be seen whether the picture is live.
  #fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen().catch(() => {}); // this page may not: all stays
    else this.video.webkitEnterFullscreen(); // a phone that shows nothing but videos in full
  }

  #turned = () => name(this.full, document.fullscreenElement === this ? "Leave full screen" : "Full screen");

  // ---- What somebody asks for

  #play() {
    const hadFocus = document.activeElement === this.big;
    this.#stopped = false;
    this.#tries = 0;
    this.video.play().catch(() => {}); // now, while the press counts: a browser may forget it until the answer
    this.#begin();
    if (hadFocus) this.toggle.focus(); // the button that was pressed is gone
  }

  #pause() {
    const had = this.dataset.picture === "video";
    this.#stopped = true;
    this.video.pause(); // keeps the last picture
    this.#end();
    const at = new Date().toLocaleTimeString([], { hour12: false });
    if (had) this.#show("paused", `Paused at ${at}`, "The picture is of that moment, not of now.");
    else this.#show("idle", "Not playing");
  }

  #inSight() {
    return !document.hidden && this.#inView;
  }

  #visible = () => {
    clearTimeout(this.#away);
    const inSight = this.#inSight();
    if (inSight) this.#frameAtMs = performance.now(); // out of sight no browser tells of pictures
    if (!this.#stopped && this.dataset.state === "away") {
      if (inSight) this.#begin();
    } else if (!this.#stopped && !inSight) {
      this.#away = setTimeout(() => {
        this.#end();
        this.#show("away", "Stopped while out of sight");
      }, AWAY_AFTER_MS);
    }
    this.#wantStills();
  };

  // Left for another page; the back button may bring it back as it was.
  #leave = () => {
    this.#end();
    if (!this.#stopped) {
      this.#show("away", "Stopped while out of sight");
      addEventListener("pageshow", this.#visible, { once: true });
    }
  };

  // ---- The session

  async #begin() {
    this.#end();
    this.#liveSinceMs = 0;
    this.#show("connecting", this.#tries ? "Connecting again" : "Connecting", this.#tries ? this.#reason : "");
    const grant = () => ticketFrom(this.getAttribute("watch"), this.getAttribute("csrf"));
    const session = (this.#session = new WhepSession(grant, (refusal) => this.#failed(session, refusal)));
    try {
      const stream = await session.open();
      if (session !== this.#session) return;
      this.#mode = session.mode;
      this.#sums = null;
      this.#frameAtMs = performance.now();
      this.video.srcObject = stream;
      this.#shown = session;
      this.video.play().catch((error) => this.#heldBack(session, error));
      this.#looking = setInterval(() => this.#look(session), LOOK_EVERY_MS);
    } catch (refusal) {
      this.#failed(session, refusal);
    }
  }

  // A phone that saves power, say, plays nothing by itself.
  #heldBack(session, error) {
    if (session !== this.#session || error.name !== "NotAllowedError") return;
    this.#stopped = true;
    this.#end();
    this.#show("idle", "Not playing", "This browser plays nothing by itself now: press play.");
  }

  #end() {
    clearTimeout(this.#retry);
    clearTimeout(this.#away);
    clearInterval(this.#looking);
    this.#session?.close();
    this.#session = null;
  }

  #failed(session, refusal) {
    if (session !== this.#session) return;
    if (this.#liveSinceMs && performance.now() - this.#liveSinceMs > STEADY_AFTER_MS) this.#tries = 0;
    this.#liveSinceMs = 0;
    this.#end();
    const { title, sentence, retry } = trouble(refusal);
    if (!retry) {
      this.#stopped = true;
      this.#show("refused", title, sentence);
      return;
    }
    const steps = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)];
    // Not all at once, where many lost the same POD in the same moment.
    const waitMs = Math.max(steps * (0.75 + Math.random() / 2), (refusal.retryS ?? 0) * 1000);
    this.#tries += 1;
    this.#reason = `${title}. ${sentence}`.trim();
    const when = waitMs < 3_000 ? "Trying again." : `Trying again in ${Math.round(waitMs / 1000)} s.`;
    this.#show("retrying", title, `${sentence} ${when}`.trim());
    this.#retry = setTimeout(() => this.#begin(), waitMs);
  }

  #drawn = () => {
    // A busy browser tells of the last picture of one session when the next has begun.
    if (this.#shown === this.#session) this.#pictured();
    this.video.requestVideoFrameCallback(this.#drawn);
  };

  #pictured() {
    this.#frameAtMs = performance.now();
    if (this.#session && ["connecting", "slow"].includes(this.dataset.state)) {
      this.#liveSinceMs ||= this.#frameAtMs;
      this.#show("live", "Live");
      this.#frame();
    }
  }

  // Once a second: how late the pictures are, and whether any come.
  async #look(session) {
    const stats = await session.stats().catch(() => null); // closed meanwhile
    if (stats === null || session !== this.#session) return;
    const report = [...stats.values()];
    const video = report.find((each) => each.type === "inbound-rtp" && each.kind === "video");
    const path = report.find((each) => each.type === "candidate-pair" && each.nominated && each.state === "succeeded");
    const frames = video?.framesDecoded ?? 0;
    // A browser may not tell of pictures at all, or not of those that are not shown yet.
    const tells = this.video.requestVideoFrameCallback && this.dataset.state !== "connecting";
    if (!tells && frames > (this.#sums?.frames ?? 0) && !this.video.paused) this.#pictured();
    const sums = { frames, processingS: video?.totalProcessingDelay ?? 0 };
    const silentMs = performance.now() - this.#frameAtMs;
    if (silentMs > STUCK_AFTER_MS && !document.hidden) {
      this.#failed(session, { code: "stuck" });
    } else if (silentMs > SLOW_AFTER_MS && this.#liveSinceMs && !document.hidden) {
      const seconds = Math.round(silentMs / 1000);
      this.#show("slow", "The picture stands still", `No new picture for ${seconds} s: the camera or the connection is slow.`);
    } else if (this.dataset.state === "live" && this.#sums && frames > this.#sums.frames) {
      const inBrowserMs = (1000 * (sums.processingS - this.#sums.processingS)) / (frames - this.#sums.frames);
      this.late.textContent = fromThePod(inBrowserMs + 500 * (path?.currentRoundTripTime ?? 0));
      const ends = [path?.localCandidateId, path?.remoteCandidateId];
      const isRelayed = report.some((each) => ends.includes(each.id) && each.candidateType === "relay");
      if (isRelayed) this.late.textContent += ", relayed";
    }
    this.#sums = sums;
  }
}

function make(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}

function button(kind, drawing) {
  const one = make("button", { type: "button", className: `live-button ${kind}` });
  icon(one, drawing);
  return one;
}

function icon(one, drawing) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[drawing]);
  svg.append(path);
  one.replaceChildren(svg);
}

function name(one, words) {
  one.setAttribute("aria-label", words);
  one.title = words;
}

customElements.define("pb-live", Live);
