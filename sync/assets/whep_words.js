// Why there is no live video, and what to do about it, in words for people. Pure.
//
// retry: whether it is worth trying again without anybody doing something. `title` is said to those who listen.

const RELOAD = "Load this page again.";

const TROUBLES = {
  no_webrtc: { title: "This browser plays no live video", mend: "Use a current Firefox, Chrome, Edge or Safari." },
  no_h264: { title: "This browser cannot decode H.264", mend: "Use one that can: Chrome, Edge or Safari, or Firefox with its OpenH264 plug-in." },
  no_path: {
    title: "No way to the POD for video",
    why: "Pages come through, video over UDP does not: a firewall or a network in between keeps it out.",
    mend: "Try from the POD's own network, or have a TURN server set up for it.",
    retry: true,
  },
  turn_silent: {
    title: "No way to the POD for video",
    why: "There is no straight way, and the TURN server that would relay it does not answer this device.",
    mend: "Try another network; whoever looks after the POD finds the TURN server under health.",
    retry: true,
  },
  turn_refused: {
    title: "No way to the POD for video",
    why: "There is no straight way, and the TURN server that would relay it refuses what the POD gave this device.",
    mend: "Whoever looks after the POD compares the TURN server's secret with live.turn, and both clocks.",
    retry: true,
  },
  turn_in_vain: {
    title: "No way to the POD for video",
    why: "There is no straight way, and the POD could not be reached through the TURN server either: its network keeps UDP in.",
    mend: "Whoever looks after the POD can set live.turn.pod_relays.",
    retry: true,
  },
  lost: { title: "The connection broke", retry: true },
  stuck: { title: "The connection gave no pictures", retry: true },
  no_answer: { title: "The POD does not answer", mend: "Check this device's network, and the POD's.", retry: true },
  gone: { title: "The POD ended the session", retry: true },
  bad_etag: { title: "The connection has to begin anew", retry: true },
  no_restart: { title: "The connection has to begin anew", retry: true },
  not_playing: { title: "The camera gives no picture", mend: "Live video begins by itself once it does. Health says what is wrong.", retry: true },
  too_many_for_camera: { title: "Too many watch this camera", why: "It is shown to as many as the POD is set to.", mend: "It begins by itself when somebody stops.", retry: true },
  too_many: { title: "Too many watch this POD's cameras", why: "They are shown to as many as it is set to.", mend: "It begins by itself when somebody stops.", retry: true },
  too_fast: { title: "Asked too often", why: "The POD takes a limited number of new viewers at a time.", retry: true },
  too_slow: { title: "The request came too slowly", mend: "Check this device's network.", retry: true },
  clock_unsure: { title: "The POD is not sure of the time", why: "Until it is, it cannot judge who may watch.", mend: "Health says what is wrong with the clock.", retry: true },
  stopping: { title: "The POD is stopping", mend: "Live video begins by itself when it is back.", retry: true },
  fault: { title: "Live video met a fault", mend: "The POD's log tells more.", retry: true },
  off: { title: "Live video is off" },
  signed_out: { title: "You are signed out", mend: "Load this page again to sign in." },
  forged: { title: "This page is out of date", mend: RELOAD },
  no_camera: { title: "There is no such camera any more", mend: RELOAD },
};

const ALLOWED = ["no_token", "bad_token", "expired", "used", "wrong_camera", "wrong_pod", "wrong_session", "origin"];
for (const code of ALLOWED) TROUBLES[code] = { title: "The POD does not let this page watch", mend: RELOAD };

// {title, sentence, retry} for a refusal; what the POD itself says stands in where no words are known.
export function trouble({ code, detail }) {
  const known = TROUBLES[code];
  const said = detail && `${detail[0].toUpperCase()}${detail.slice(1)}${/[.!?]$/.test(detail) ? "" : "."}`;
  if (!known) return { title: "Live video failed", sentence: said, retry: false };
  const why = known.why ?? (known.retry ? "" : said);
  return { title: known.title, sentence: [why, known.mend].filter(Boolean).join(" "), retry: Boolean(known.retry) };
}

// How long a picture takes from the POD until it is decoded; nobody here knows how long the camera took before that.
export function fromThePod(latencyMs) {
  if (latencyMs < 1000) return `${Math.max(10, Math.round(latencyMs / 10) * 10)} ms from the POD`;
  return `${(latencyMs / 1000).toFixed(1)} s from the POD`;
}

// `transcoded: H.265`, as the POD says it, in a sentence; "" where it passes on what the camera sends.
export function transcoding(mode) {
  const what = /^transcoded: (.+)$/.exec(mode ?? "")?.[1];
  if (!what) return "";
  const because = { masks: "to black out its masks", "B-frames": "because it sends B-frames" }[what];
  return `The POD encodes this camera anew ${because ?? `because it sends ${what}`}: a little later, and less sharp.`;
}
