// The schedule editor: the week as a picture while it is edited, one more row without asking the POD, and what
// an end before the start means. Without this script the form works all the same.

const DAY_MIN = 24 * 60, DAYS = 7;
const SVG = "http://www.w3.org/2000/svg";

const windows = document.getElementById("windows");
const week = document.querySelectorAll(".week-day");
const only = document.querySelector('input[name="scheduled"][value="yes"]');

// Minutes after midnight; null where no time is written.
function minutes(input) {
  const [hours, rest] = input.value.split(":");
  return input.value ? Number(hours) * 60 + Number(rest) : null;
}

function read(row) {
  const [from, to] = row.querySelectorAll('input[type="time"]');
  const start = minutes(from), end = minutes(to);
  const days = Array.from(row.querySelectorAll('input[type="checkbox"]:checked'), (box) => Number(box.value));
  return { days, start, end: end === 0 ? DAY_MIN : end };
}

function bar(x, width, carried) {
  const rect = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ x, width, height: 10 })) rect.setAttribute(name, value);
  rect.setAttribute("class", carried ? "stretch carried" : "stretch");
  return rect;
}

function draw() {
  const drawn = Array.from({ length: DAYS }, () => []);
  for (const row of windows.children) {
    const { days, start, end } = read(row);
    const whole = start !== null && end !== null && start !== end;
    row.querySelector(".next-day").hidden = !(whole && end < start);
    if (!whole || !only.checked) continue;
    for (const day of days) {
      if (end > start) drawn[day].push(bar(start, end - start, false));
      else {
        drawn[day].push(bar(start, DAY_MIN - start, false));
        drawn[(day + 1) % DAYS].push(bar(0, end, true));
      }
    }
  }
  drawn.forEach((bars, day) => week[day].replaceChildren(...bars));
}

function blankRow() {
  const row = windows.lastElementChild.cloneNode(true);
  const number = windows.children.length;
  row.removeAttribute("aria-invalid");
  row.removeAttribute("aria-describedby");
  row.querySelector(".problem")?.remove();
  row.querySelector("legend").textContent = `Times ${number + 1}`;
  for (const input of row.querySelectorAll("input")) {
    input.name = input.name.replace(/^w\d+/, `w${number}`);
    if (input.type === "checkbox") input.checked = false;
    else input.value = "";
  }
  return row;
}

if (windows) {
  windows.addEventListener("input", () => {
    only.checked = true;
    draw();
  });
  for (const choice of document.getElementsByName("scheduled")) choice.addEventListener("change", draw);
  document.getElementById("more").addEventListener("click", (event) => {
    event.preventDefault();
    windows.append(blankRow());
    windows.lastElementChild.querySelector("input").focus();
  });
  draw();
}

// A form that takes a while says so on its button.
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("button[data-busy]");
  if (button && !event.defaultPrevented) button.textContent = button.dataset.busy;
});
