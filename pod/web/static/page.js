// Keep the page's changing part current: an event means "look again", so a missed one costs nothing.
const now = document.getElementById("now");
const connection = document.getElementById("connection");
let waiting = false;

async function refresh() {
  if (waiting) return;
  waiting = true;
  try {
    const answer = await fetch("/now");
    if (answer.ok) now.innerHTML = await answer.text();
  } finally {
    waiting = false;
  }
}

function say(text, live) {
  connection.textContent = text;
  connection.classList.toggle("lost", !live);
}

const events = new EventSource("/events");
events.onopen = () => { say("Live", true); refresh(); };
events.onerror = () => say("Connection lost: trying again", false);
for (const kind of ["decision", "intent", "outcome", "health"]) events.addEventListener(kind, refresh);
setInterval(refresh, 10_000);
