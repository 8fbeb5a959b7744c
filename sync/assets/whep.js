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
import { behind, transcoding, trouble } from "./whep_words.js";

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
  #session = null; #built = false; #stopped = false; #pressed = false;
  #inView = true; #seen = null; #tries = 0; #liveSinceMs = 0; #mode = ""; #reason = "";
  #frames = 0; #frameAtMs = 0; #sums = null;
  #retry = 0; #away = 0; #looking = 0;

  connectedCallback() {
    if (!this.#built) this.#build();
    document.addEventListener("visibilitychange", this.#visible);
    addEventListener("pagehide", this.#leave);
    this.#seen = new IntersectionObserver(([entry]) => {
      this.#inView = entry.isIntersecting;
      this.#visible();
    });
    this.#seen.observe(this);
    // Who asked for less motion gets none that they did not ask for.
    this.#stopped = this.getAttribute("start") === "press" || matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (this.#stopped) this.#show("idle", "Not playing");
    else this.#begin();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#visible);
    removeEventListener("pagehide", this.#leave);
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
    this.full.hidden = !this.figure.requestFullscreen && !this.video.webkitEnterFullscreen;
    // Only the word is announced: the latency beside it changes every second.
    this.word = make("b", { className: "live-word" });
    this.word.setAttribute("role", "status");
    this.late = make("span", { className: "live-late quiet", title: "From the POD to this screen, as the browser measures it" });
    this.why = make("p", { className: "live-why quiet", hidden: true });
    const said = make("p", { className: "live-said" });
    said.append(this.word, " ", this.late);
    const bar = make("div", { className: "live-bar" });
    bar.append(this.toggle, said, this.full);
    this.figure.after(bar, this.why);
    this.stills = new Stills(this.figure.querySelector("img"), (has) => this.#still(has));
    this.video.requestVideoFrameCallback?.(this.#drawn);
    name(this.big, `Watch camera ${this.getAttribute("camera")} live`);
    name(this.full, "Full screen");
  }

  // state: idle, connecting, live, slow, retrying, refused, paused, away.
  #show(state, word, why = "") {
    this.dataset.state = state;
    const plays = state === "live" || state === "slow" || state === "paused";
    this.dataset.picture = plays ? "video" : "still";
    if (this.word.textContent !== word) this.word.textContent = word;
    if (state !== "live") this.late.textContent = "";
    const words = why || (plays ? transcoding(this.#mode) : "");
    this.why.textContent = words;
    this.why.hidden = !words;
    this.big.hidden = state !== "idle" && state !== "paused";
    icon(this.toggle, this.#stopped ? "play" : "pause");
    name(this.toggle, this.#stopped ? "Play" : "Pause");
    if (plays) this.figure.classList.remove("blind");
    this.stills.want(!plays && state !== "away" && !document.hidden && this.figure.clientHeight > 0);
    this.dispatchEvent(new CustomEvent("live-state", { bubbles: true, detail: { state, word } }));
  }

  #still(has) {
    this.figure.classList.toggle("blind", !has);
    this.late.textContent = has && this.dataset.state !== "connecting" ? "Stills, one every 2 s" : "";
  }

  #fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.figure.requestFullscreen) this.figure.requestFullscreen();
    else this.video.webkitEnterFullscreen(); // a phone that shows nothing but videos in full
  }

  // ---- What somebody asks for

  #play() {
    const hadFocus = document.activeElement === this.big;
    this.#stopped = false;
    this.#tries = 0;
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

  #visible = () => {
    clearTimeout(this.#away);
    const inSight = !document.hidden && (this.#inView || document.fullscreenElement === this.figure);
    if (this.#stopped) {
      if (this.dataset.state === "idle") this.stills.want(inSight && this.figure.clientHeight > 0);
    } else if (!inSight) {
      this.#away = setTimeout(() => {
        this.#end();
        this.#show("away", "Stopped while out of sight");
      }, AWAY_AFTER_MS);
    } else if (this.dataset.state === "away") {
      this.#begin();
    }
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
      this.video.play().catch(() => {}); // a browser that wants a press first: `stuck` tells when nothing comes
      this.#looking = setInterval(() => this.#look(session), LOOK_EVERY_MS);
    } catch (refusal) {
      this.#failed(session, refusal);
    }
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
    this.#frameAtMs = performance.now();
    this.#frames += 1;
    if (this.#session && ["connecting", "slow"].includes(this.dataset.state)) {
      this.#liveSinceMs ||= this.#frameAtMs;
      this.#show("live", "Live");
    }
    this.video.requestVideoFrameCallback(this.#drawn);
  };

  // Once a second: how late the pictures are, and whether any come.
  async #look(session) {
    const report = [...(await session.stats()).values()];
    if (session !== this.#session) return;
    const video = report.find((each) => each.type === "inbound-rtp" && each.kind === "video");
    const path = report.find((each) => each.type === "candidate-pair" && each.nominated && each.state === "succeeded");
    const frames = video?.framesDecoded ?? 0;
    if (!this.video.requestVideoFrameCallback && frames > (this.#sums?.frames ?? 0)) this.#drawn();
    const sums = { frames, processingS: video?.totalProcessingDelay ?? 0 };
    const silentMs = performance.now() - this.#frameAtMs;
    if (silentMs > STUCK_AFTER_MS && !document.hidden) {
      this.#failed(session, { code: "stuck" });
    } else if (silentMs > SLOW_AFTER_MS && this.#liveSinceMs && !document.hidden) {
      const seconds = Math.round(silentMs / 1000);
      this.#show("slow", "The picture stands still", `No new picture for ${seconds} s: the camera or the connection is slow.`);
    } else if (this.dataset.state === "live" && this.#sums && frames > this.#sums.frames) {
      const inBrowserMs = (1000 * (sums.processingS - this.#sums.processingS)) / (frames - this.#sums.frames);
      this.late.textContent = behind(inBrowserMs + 500 * (path?.currentRoundTripTime ?? 0));
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
