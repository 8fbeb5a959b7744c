// Keep the page current without moving anything: an event means "look again", so a missed one costs nothing.
// Parts that did not change are left alone, with scroll position, focus and selected text; listeners are told of
// what is new, once.

const LOOK_EVERY_MS = 15_000, RETRY_MS = 3_000;
const SLOW_MS = 2_000, GIVE_UP_MS = 8_000;
const GATHER_MS = 100, SETTLED_MS = 1_000;
const KINDS = ["decision", "intent", "outcome", "camera_state", "gate_state"];

const page = document.documentElement;
const connection = document.getElementById("connection");
const lost = document.getElementById("lost");
const said = document.getElementById("said");
const now = document.getElementById("now");

let stream = null;
let looking = false, lookAgain = false;
let timer = 0;
let aheadMs = 0; // the POD's clock against this one

// ---- The connection

function show(state, words) {
  if (page.dataset.connection === state) return;
  const before = page.dataset.connection;
  page.dataset.connection = state;
  connection.textContent = words;
  lost.hidden = state !== "lost";
  if (state === "lost") {
    lost.textContent = `No answer from the POD since ${now.dataset.clock}. ` +
      "This is how it was then. The page tries again by itself.";
    say(lost.textContent);
  } else if (before === "lost") {
    say("The POD answers again.");
  }
}

function open() {
  if (document.hidden || (stream && stream.readyState !== EventSource.CLOSED)) return;
  stream = new EventSource("/stream");
  stream.onopen = () => look();
  stream.onerror = () => look();
  for (const kind of KINDS) {
    stream.addEventListener(kind, () => {
      lookIn(GATHER_MS);
      setTimeout(look, SETTLED_MS); // an event may come before its row can be read
    });
  }
}

function lookIn(delayMs) {
  clearTimeout(timer);
  timer = setTimeout(look, delayMs);
}

async function look() {
  if (document.hidden) return;
  lookAgain = looking;
  if (looking) return;
  looking = true;
  const slow = setTimeout(() => page.dataset.connection !== "lost" && show("slow", "Slow answer"), SLOW_MS);
  const html = await nowAsHtml();
  clearTimeout(slow);
  looking = false;
  if (html === null) {
    show("lost", "No connection");
  } else {
    renew(html);
    show("live", "Live");
  }
  open();
  lookIn(lookAgain ? GATHER_MS : page.dataset.connection === "lost" ? RETRY_MS : LOOK_EVERY_MS);
}

// What `/now` answers; null where no good answer comes in time.
async function nowAsHtml() {
  try {
    const answer = await fetch("/now", { signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (answer.status === 401) location.assign("/login");
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}

// A page that nobody sees holds no connection: browsers allow six to one address.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else {
    look();
  }
});

// ---- The changing part

function renew(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content.firstElementChild;
  aheadMs = Date.parse(fresh.dataset.at) - Date.now();
  tellAges(now);
  tellAges(fresh);
  const news = newsOf(fresh);
  const anchor = scrollY > 0 ? firstInView() : null;
  const was = anchor?.getBoundingClientRect().top;
  const focused = placeOf(document.activeElement);
  merge(now, fresh);
  if (focused && !now.contains(document.activeElement)) focusOn(focused);
  if (anchor?.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - was, behavior: "instant" });
  document.title = now.dataset.title;
  say(news);
}

// Where the keyboard is, in words that hold when its element is drawn anew or moved; null where it is elsewhere.
function placeOf(element) {
  return now.contains(element) && element.matches("a[href]")
    ? { id: element.closest("[id]").id, href: element.getAttribute("href") }
    : null;
}

function focusOn({ id, href }) {
  const links = document.getElementById(id)?.querySelectorAll("a[href]") ?? [];
  Array.from(links).find((link) => link.getAttribute("href") === href)?.focus({ preventScroll: true });
}

// Make `old` like `fresh`, going only into elements whose children have ids.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (!fresh.firstElementChild?.id || !old.firstElementChild?.id) {
    old.replaceWith(fresh);
    return;
  }
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  const wanted = new Set(Array.from(fresh.children, (child) => child.id));
  for (const child of [...old.children]) if (!wanted.has(child.id)) child.remove();
  const kept = new Map(Array.from(old.children, (child) => [child.id, child]));
  let place = old.firstElementChild;
  for (const child of [...fresh.children]) {
    const same = kept.get(child.id);
    if (!same) {
      old.insertBefore(child, place);
      if (child.matches(".car")) flash(child);
      continue;
    }
    if (same === place) place = place.nextElementSibling;
    else old.insertBefore(same, place);
    merge(same, child);
  }
}

function flash(car) {
  if (matchMedia("(prefers-reduced-motion: no-preference)").matches) car.animate({ opacity: [0.2, 1] }, 600);
}

function firstInView() {
  const below = document.querySelector("header").getBoundingClientRect().bottom;
  return Array.from(now.querySelectorAll(".car")).find((car) => car.getBoundingClientRect().bottom > below);
}

// What changed, in one sentence for those who listen: the newest car whose story is complete, and health.
function newsOf(fresh) {
  const known = new Map(Array.from(now.querySelectorAll(".car"), (car) => [car.id, car.dataset.said]));
  const cars = Array.from(fresh.querySelectorAll(".car"), (car) => [car.id, car.dataset.said])
    .filter(([id, words]) => words && known.get(id) !== words);
  const health = (root) => root.querySelector("#health-title")?.textContent.trim();
  const news = cars.length ? [cars[0][1]] : [];
  if (cars.length > 1) news.push(`${cars.length - 1} more cars.`);
  if (health(now) !== health(fresh)) news.push(`Health: ${health(fresh)}.`);
  return news.join(" ");
}

function say(words) {
  if (words) said.textContent = words;
}

function tellAges(root) {
  for (const place of root.querySelectorAll("[data-since]")) {
    const words = ago((Date.now() + aheadMs - Date.parse(place.dataset.since)) / 1000);
    if (place.textContent !== words) place.textContent = words;
  }
}

// As `ago` in car_words.py.
function ago(ageS) {
  if (ageS < 10) return "just now";
  if (ageS < 60) return `${Math.floor(ageS / 10) * 10} s ago`;
  if (ageS < 3600) return `${Math.floor(ageS / 60)} min ago`;
  return ageS < 86400 ? `${Math.floor(ageS / 3600)} h ago` : "";
}

look();
