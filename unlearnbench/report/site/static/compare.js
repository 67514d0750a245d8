"use strict";

// Two methods side by side: their maps, the difference in every cell, and where it is certain. Both and the metric stand
// in the address: a, b, show.

(async () => {
  const { load, part, words, difference, score, number, signed, element, dots, fill, legend, walkable } = unlearnbench;
  const form = document.getElementById("pair");
  const data = await load();
  const names = Object.keys(data.methods);
  const ranked = names.filter((name) => data.methods[name].ranked && data.methods[name].whole);
  const FULL = 50; // percentage points at which a difference has its full colour

  function read() {
    const given = new URLSearchParams(location.search);
    const known = (name) => (names.includes(name) ? name : undefined);
    const a = known(given.get("a")) ?? known(ranked[0]) ?? names[0];
    const b = known(given.get("b")) ?? [...ranked, ...names].find((name) => name !== a) ?? a;
    form.elements.a.value = a;
    form.elements.b.value = b;
    const metric = data.metrics.slice(1).some(([name]) => name === given.get("show"));
    form.elements.show.value = metric ? given.get("show") : "";
  }

  function write() {
    const { a, b, show } = form.elements;
    const address = new URL(location.href);
    address.search = new URLSearchParams(Object.entries({ a: a.value, b: b.value, show: show.value }).filter(([, value]) => value));
    history.replaceState(null, "", address);
  }

  const certain = ({ low, high }) => low > 0 || high < 0;

  // Blue where the first is larger, brown where the second is: as in report/wording.py.
  function colour(td, value) {
    const end = value > 0 ? [33, 102, 171] : [179, 89, 5];
    const share = Math.min(Math.abs(value) / FULL, 1);
    const rgb = end.map((full) => Math.round(247 + share * (full - 247)));
    td.style.backgroundColor = `rgb(${rgb.join(" ")})`;
    const [red, green, blue] = rgb.map((c) => (c / 255 <= 0.03928 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    td.style.color = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
  }

  function show() {
    const [first, second] = [data.methods[form.elements.a.value], data.methods[form.elements.b.value]];
    const metric = form.elements.show.value || data.metrics[0][0];
    const label = data.metrics.find(([name]) => name === metric)[1];
    for (const [id, method] of [["a", first], ["b", second]]) {
      document.getElementById(`${id}-title`).textContent = method.name;
      const map = document.getElementById(id);
      map.dataset.of = form.elements[id].value;
      fill(map, data, method, metric);
      walkable(map);
    }
    legend(metric);
    minus(first, second, metric);
    parts(first, second, metric);
    say(first, second, metric, label);
    const command = document.getElementById("command");
    command.textContent = `unlearnbench compare '${first.name}' '${second.name}' --suite ${command.dataset.suite}`;
    document.getElementById("compared").hidden = false;
  }

  function minus(first, second, metric) {
    const table = document.getElementById("minus");
    let stars = 0;
    [...table.tBodies[0].rows].forEach((line, row) => [...line.querySelectorAll("td")].forEach((td, column) => {
      const found = difference(first, second, metric, { rows: [row], columns: [column] });
      td.removeAttribute("style");
      td.className = Number.isNaN(found.value) ? "none" : certain(found) ? "certain" : "";
      td.replaceChildren(Number.isNaN(found.value) ? element("i", "no value") : signed(found.value, 0));
      if (certain(found)) td.append(element("sup", "*"));
      stars += certain(found);
      if (!Number.isNaN(found.value)) colour(td, found.value);
      td.title = [signed(found.value), ends(found)].filter(Boolean).join(" ");
    }));
    const cells = data.rows.length * data.rates.length;
    const few = Math.min(first.seeds.length, second.seeds.length) < data.fewest;
    document.getElementById("marks").textContent = few
      ? "Fewer than three seeds: no intervals, so nothing is certain."
      : `Blue: ${first.name} is larger. Brown: ${second.name} is larger. *: certain, in ${stars} of ${cells} cells.`;
  }

  const ends = ({ low, high }) => (Number.isNaN(low) ? "" : `[${number(low)}, ${number(high)}]`);

  function parts(first, second, metric) {
    const rows = data.rows.map(([name]) => name);
    const columns = data.rates.map((rate) => `,${rate}`);
    const lines = ["", ...rows, ...columns].map((name) => {
      const where = part(name);
      const found = difference(first, second, metric, where);
      const line = element("tr");
      const head = element("th", name ? words(name) : "the whole plane");
      head.scope = "row";
      const value = element("td", undefined, "n");
      value.append(element(certain(found) ? "b" : "span", signed(found.value) + (certain(found) ? "*" : "")));
      line.append(
        head,
        ...[first, second].map((method) => element("td", number(score(method, metric, where).value), "n")),
        value,
        element("td", ends(found) || "–", "n"),
        element("td", `${found.seeds} ${found.kind}`),
        element("td", found.won.join("/"), "n"),
        bySeed(found.values),
      );
      return line;
    });
    document.getElementById("parts").replaceChildren(...lines);
  }

  // The differences by seed on an axis from -100 to 100.
  function bySeed(values) {
    const cell = element("td");
    const bar = element("span", undefined, "bar differences");
    bar.setAttribute("aria-hidden", "true");
    bar.style.setProperty("--mean", 50); // the mark stands at zero
    dots(bar, values.map((value) => (value + 100) / 2));
    if (values.length) cell.append(bar);
    return cell;
  }

  function say(first, second, metric, label) {
    const said = document.getElementById("said");
    if (first === second) {
      said.textContent = "Choose two different methods.";
      return;
    }
    const without = [first, second].filter((method) => !method.whole).map((method) => method.name);
    if (without.length) {
      said.textContent = `${without.join(" and ")}: no whole seed, so there is no difference over the plane.`;
      return;
    }
    const found = difference(first, second, metric, part(""));
    if (Number.isNaN(found.value)) {
      said.textContent = `${label} was not measured on both, so there is no difference.`;
      return;
    }
    const size = number(Math.abs(found.value));
    const more = found.value > 0 ? "larger" : "smaller";
    const points = found.value === 0
      ? `${label} of ${first.name} is that of ${second.name}`
      : `${label} of ${first.name} is ${size} percentage points ${more} than that of ${second.name}`;
    const over = `over ${found.seeds} ${found.kind === "untested" ? "" : `${found.kind} `}${found.seeds === 1 ? "seed" : "seeds"}`;
    const sure = Number.isNaN(found.low) ? "no interval" : `95% interval ${ends(found)}`;
    const verdict = Number.isNaN(found.low) ? "whether that is chance is open" : certain(found) ? "certain" : "it may be chance";
    const apart = first.kind === second.kind ? "" : ` Their originals differ, too: ${first.kind} and ${second.kind}.`;
    said.textContent = `${points} (${sure} ${over}): ${verdict}.${apart}`;
  }

  form.hidden = false;
  form.addEventListener("change", () => { write(); show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.swap.addEventListener("click", () => {
    const { a, b } = form.elements;
    [a.value, b.value] = [b.value, a.value];
    write();
    show();
  });
  read();
  show();
})();
