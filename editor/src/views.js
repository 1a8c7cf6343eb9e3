// The ways to look at rows: always the table, a chart and a map where the columns fit.
import { tableOf } from "./answers.js";
import { chartOf, pointsOf } from "./readings.js";

/** Rows with a choice of views; *kept* remembers the choice from one answer to the next. */
export function viewsOf(found, site, words, kept, picturesUrl) {
  const table = tableOf(found, site, words);
  const offered = { table: () => table };
  const reading = chartOf(found);
  const points = pointsOf(found);
  if (reading) offered.chart = () => [chartPlace(found, reading, site, words, kept, picturesUrl)];
  if (points) offered.map = () => [picturePlace(words.map, words, (tools, width) => tools.map(width, found, points, site), picturesUrl)];
  if (Object.keys(offered).length === 1) return table;

  const choice = document.createElement("div");
  choice.className = "views";
  choice.setAttribute("role", "group");
  choice.setAttribute("aria-label", words.views);
  const place = document.createElement("div");
  place.className = "view";
  const show = (name) => {
    for (const button of choice.children) button.setAttribute("aria-pressed", String(button.value === name));
    place.replaceChildren(...offered[name]());
  };
  for (const name of Object.keys(offered)) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.value = name;
    button.textContent = words[name];
    button.addEventListener("click", () => { kept.view = name; show(name); });
    choice.append(button);
  }
  show(kept.view in offered ? kept.view : "table");
  return [choice, place];
}

/** A chart, with a menu where there are several columns of numbers. */
function chartPlace(found, reading, site, words, kept, url) {
  let number = reading.numbers.includes(kept.number) ? kept.number : reading.numbers[0];
  const draw = (tools, width) => tools.chart(width, found, reading, number, site);
  const place = picturePlace(words.chart, words, draw, url);
  if (reading.numbers.length === 1) return place;
  const line = document.createElement("p");
  line.className = "controls";
  const label = document.createElement("label");
  const menu = document.createElement("select");
  menu.id = "number";
  label.htmlFor = menu.id;
  label.textContent = words.number;
  menu.append(...reading.numbers.map((name) => new Option(name, name, false, name === number)));
  menu.addEventListener("change", () => {
    number = kept.number = menu.value;
    place.redraw();
  });
  line.append(label, menu);
  place.prepend(line);
  return place;
}

/** A place that holds a picture as wide as itself, drawn again when it is given another width. */
function picturePlace(label, words, draw, url) {
  const place = document.createElement("figure");
  const sheet = document.createElement("div");
  sheet.setAttribute("role", "group");
  sheet.setAttribute("aria-label", label);
  const note = document.createElement("figcaption");
  note.className = "aside";
  note.textContent = words.running;
  place.append(sheet, note);
  let tools = null;
  let width = 0;
  place.redraw = () => {
    width = Math.floor(sheet.clientWidth);
    if (!tools || width < 50) return;
    const { picture, shown, total } = draw(tools, width);
    sheet.replaceChildren(picture);
    note.textContent = shown < total ? words.shown.replace("{shown}", String(shown)).replace("{count}", String(total)) : "";
  };
  import(url).then((found) => {
    tools = found;
    place.redraw();
  }, () => { note.textContent = words.unreachable; });
  new ResizeObserver(() => { if (Math.floor(sheet.clientWidth) !== width) place.redraw(); }).observe(sheet);
  return place;
}
