// One WHEP session, from the token to its end. Knows no page and no words: what fails is a `Refusal` with a code.

const ANSWER_WITHIN_MS = 8_000;
const CONNECT_WITHIN_MS = 10_000;
const UNSTEADY_FOR_MS = 4_000; // a phone that changes networks comes back within seconds
const GATHER_MS = 50;
const RENEW_AT = 0.8;
const RENEW_AGAIN_MS = 10_000;
const MOST_CANDIDATES = 64;

// Why a session is not had, or is no more. `code` is the POD's own (docs/live-video.md), or one of: no_webrtc, no_path,
// turn_refused, turn_silent, turn_in_vain, lost, no_answer, signed_out, forged, unknown.
export class Refusal extends Error {
  constructor(code, { detail = "", retryS = null } = {}) {
    super(detail || code);
    Object.assign(this, { code, detail, retryS });
  }
}

export class WhepSession {
  #grant; #lost; #pc = null; #address = ""; #etag = "";
  #opener = ""; // the token that opens the session, which stays good to trickle and to end it
  #candidates = []; #closed = false; #connected = false; #timers = {};
  #turn = ""; // whether a TURN server was given, and how it does: "", asked, refused, relays

  // grant: asks for a token; resolves to {token, whep, mode, ice_servers, lease_s}, or rejects with a Refusal. Without
  // ice_servers the POD itself is asked for them.
  // lost: told once, with a Refusal, that an open session is over.
  constructor(grant, lost) {
    this.#grant = grant;
    this.#lost = lost;
  }

  // Resolves to the stream once the answer is there; its pictures come when the path is found.
  async open() {
    if (!("RTCPeerConnection" in globalThis)) throw new Refusal("no_webrtc");
    const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
    const wanted = codecs.filter((codec) => /\/(h264|rtx)$/i.test(codec.mimeType));
    if (!wanted.some((codec) => /h264$/i.test(codec.mimeType))) throw new Refusal("no_h264");
    try {
      return await this.#negotiate(wanted);
    } catch (error) {
      this.close();
      throw error instanceof Refusal ? error : new Refusal("unknown", { detail: String(error.message) });
    }
  }

  // What the browser measures of the stream now.
  stats() {
    return this.#pc.getStats();
  }

  // Ends the session here and at the POD; safe to repeat.
  close() {
    if (this.#closed) return;
    this.#closed = true;
    Object.values(this.#timers).forEach(clearTimeout);
    this.#pc?.close();
    this.#leave();
  }

  // Also while the page is being left; where it fails, the lease ends the session.
  #leave() {
    if (this.#address) this.#ask("DELETE", this.#address, { keepalive: true }).catch(() => {});
    this.#address = "";
  }

  async #negotiate(codecs) {
    // The offer is made while the token is on its way: only the search for a path has to wait for it.
    const pc = (this.#pc = new RTCPeerConnection());
    const transceiver = pc.addTransceiver("video", { direction: "recvonly" });
    transceiver.setCodecPreferences(codecs);
    const [granted, made] = await Promise.all([this.#ticket(), pc.createOffer()]);
    let ticket = granted;
    this.#opener = ticket.token;
    const servers = ticket.ice_servers ?? (await this.#servers(ticket.whep));
    if (servers.some(({ urls }) => [urls].flat().some((url) => /^turns?:/.test(url)))) this.#turn = "asked";
    pc.setConfiguration({ iceServers: servers });
    pc.onicecandidateerror = ({ errorCode, url }) => {
      // 701: it was not reached; all others are its own.
      if (errorCode !== 701 && /^turns?:/.test(url) && this.#turn === "asked") this.#turn = "refused";
    };
    pc.onicecandidate = ({ candidate }) => this.#found(candidate);
    pc.onconnectionstatechange = () => this.#connectionChanged();
    await pc.setLocalDescription(made);
    const offer = { type: "application/sdp", body: pc.localDescription.sdp };
    let answer;
    try {
      answer = await this.#ask("POST", ticket.whep, offer);
    } catch (error) {
      if (!["expired", "used", "bad_token"].includes(error.code)) throw error;
      ticket = await this.#ticket();
      this.#opener = ticket.token;
      answer = await this.#ask("POST", ticket.whep, offer);
    }
    this.#address = new URL(answer.headers.get("location"), answer.url).href;
    this.#etag = answer.headers.get("etag") ?? "";
    const sdp = await answer.text();
    this.#heed();
    await pc.setRemoteDescription({ type: "answer", sdp });
    this.#timers.connect = setTimeout(() => this.#over(this.#noPath()), CONNECT_WITHIN_MS);
    this.#renewIn(ticket.lease_s * RENEW_AT * 1000);
    this.#trickle();
    return new MediaStream([transceiver.receiver.track]);
  }

  // The STUN and TURN servers that the POD tells whoever brings a token, which is good for more afterwards.
  async #servers(address) {
    const answer = await this.#ask("OPTIONS", address);
    this.#heed();
    return serversIn(answer.headers.get("link") ?? "");
  }

  #noPath() {
    return new Refusal({ "": "no_path", asked: "turn_silent", refused: "turn_refused", relays: "turn_in_vain" }[this.#turn]);
  }

  async #ticket() {
    const ticket = await this.#grant();
    this.#heed();
    this.mode = ticket.mode;
    return ticket;
  }

  // Closed while something was awaited: what came since is nobody's.
  #heed() {
    if (!this.#closed) return;
    this.#leave();
    throw new Refusal("closed");
  }

  async #ask(method, address, { type = "", body, headers = {}, keepalive = false, token = this.#opener } = {}) {
    const brought = { Authorization: `Bearer ${token}`, ...headers };
    if (type) brought["Content-Type"] = type;
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const request = { method, body, headers: brought, keepalive, signal, credentials: "omit" };
    return answered(await fetch(address, request).catch(() => null));
  }

  #found(candidate) {
    if (candidate?.type === "relay") this.#turn = "relays";
    // A name made up for this browser alone (mDNS) leads the POD nowhere; it learns the address from the first check.
    if (!candidate?.candidate || /\.local /.test(candidate.candidate)) return;
    if (this.#candidates.length < MOST_CANDIDATES) this.#candidates.push(candidate);
    clearTimeout(this.#timers.trickle);
    this.#timers.trickle = setTimeout(() => this.#trickle(), GATHER_MS);
  }

  #trickle() {
    if (this.#closed || !this.#etag || !this.#candidates.length) return;
    const [{ usernameFragment, sdpMid }] = this.#candidates;
    const [, password] = /^a=ice-pwd:(\S+)/m.exec(this.#pc.localDescription.sdp);
    const lines = this.#candidates.splice(0).map((each) => `a=${each.candidate}`);
    const head = [`a=ice-ufrag:${usernameFragment}`, `a=ice-pwd:${password}`, "m=video 9 UDP/TLS/RTP/SAVPF 0"];
    const body = [...head, `a=mid:${sdpMid}`, ...lines, ""].join("\r\n");
    const type = "application/trickle-ice-sdpfrag";
    this.#ask("PATCH", this.#address, { type, body, headers: { "If-Match": this.#etag } }).catch((error) => {
      // Without an answer the path may be found all the same; `no_path` tells when it is not.
      if (["gone", "bad_etag"].includes(error.code)) this.#over(error);
    });
  }

  #connectionChanged() {
    const state = this.#pc.connectionState;
    clearTimeout(this.#timers.unsteady);
    if (state === "connected") {
      this.#connected = true;
      clearTimeout(this.#timers.connect);
    } else if (state === "failed" || state === "closed") {
      this.#over(this.#connected ? new Refusal("lost") : this.#noPath());
    } else if (state === "disconnected") {
      this.#timers.unsteady = setTimeout(() => this.#over(new Refusal("lost")), UNSTEADY_FOR_MS);
    }
  }

  #renewIn(delayMs) {
    if (this.#closed) return;
    clearTimeout(this.#timers.renew);
    this.#timers.renew = setTimeout(() => this.#renew(), delayMs);
  }

  // A new token for the same session. Who is not allowed any more gets none, and sees nothing from then on.
  async #renew() {
    try {
      const { token } = await this.#ticket();
      const answer = await this.#ask("POST", this.#address, { token });
      this.#renewIn((await answer.json()).lease_s * RENEW_AT * 1000);
    } catch (error) {
      if (error.code === "closed") return;
      if (["no_answer", "too_fast", "too_slow"].includes(error.code)) this.#renewIn(RENEW_AGAIN_MS);
      else this.#over(error instanceof Refusal ? error : new Refusal("lost"));
    }
  }

  #over(refusal) {
    if (this.#closed) return;
    this.close();
    this.#lost(refusal);
  }
}

// What RTCPeerConnection takes, of the Link headers that name ICE servers (RFC 9725, 4.6).
export function serversIn(links) {
  const found = links.matchAll(/<((?:stun|turns?):[^>]+)>((?:; *[a-z-]+="(?:[^"\\]|\\.)*")*)/g);
  return [...found].map(([, urls, parameters]) => {
    const pairs = [...parameters.matchAll(/; *([a-z-]+)="((?:[^"\\]|\\.)*)"/g)];
    const { username, credential } = Object.fromEntries(pairs.map(([, name, text]) => [name, text.replace(/\\(.)/g, "$1")]));
    return credential === undefined ? { urls: [urls] } : { urls: [urls], username, credential };
  });
}

// Asks a page's own server for a token: what `grant` of a session is on the POD's local page.
export async function ticketFrom(address, csrf) {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const request = { method: "POST", headers: { "X-CSRF-Token": csrf, Accept: "application/json" }, signal };
  const codes = { 401: "signed_out", 403: "forged", 404: "no_camera", 503: "off" };
  return (await answered(await fetch(address, request).catch(() => null), codes)).json();
}

async function answered(answer, codes = {}) {
  if (answer?.ok) return answer;
  if (!answer) throw new Refusal("no_answer");
  const said = await answer.json().catch(() => ({}));
  const after = Number(answer.headers.get("retry-after"));
  const code = said.code ?? codes[answer.status] ?? (answer.status >= 500 ? "fault" : "unknown");
  throw new Refusal(code, {
    detail: said.detail ?? `HTTP ${answer.status}`,
    retryS: after > 0 ? after : null,
  });
}
