"use strict";

// The page of a method: a map for every metric but the first, which is there already, and all cells as a table.

(() => {
  const { load, number, element, describe, fill, walkable } = unlearnbench;

  async function panels() {
    const cells = document.getElementById("cells");
    const shown = document.querySelector(".heat[data-of]");
    const data = await load();
    const method = data.methods[shown.dataset.of];
    for (const [metric, label] of data.metrics.slice(1)) {
      const box = shown.parentElement.cloneNode(true);
      for (const td of box.querySelectorAll("td[tabindex]")) td.removeAttribute("tabindex");
      fill(box.firstElementChild, data, method, metric);
      if (!box.querySelector("td[class^='s']")) continue; // not measured in this suite
      walkable(box.firstElementChild);
      const figure = element("figure");
      const caption = element("figcaption");
      caption.append(element("b", metric === "attack_success" ? `${label}: less is better, and darker` : label));
      figure.append(caption, box);
      document.querySelector(".panels").append(figure);
    }
    cells.hidden = false;
    cells.addEventListener("toggle", () => {
      if (cells.children.length === 1) cells.append(everyCell(data, method));
    });
  }

  function everyCell(data, method) {
    const box = element("div", undefined, "scroll wide");
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Every cell");
    const made = element("table", undefined, "plain");
    const head = made.createTHead().insertRow();
    for (const text of ["Row", "Found", ...data.metrics.map(([, label]) => label), "95% interval", "Trials"]) {
      const cell = element("th", text);
      cell.scope = "col";
      head.append(cell);
    }
    const body = made.createTBody();
    data.rows.forEach(([, label], row) => data.rates.forEach((rate, column) => {
      const said = describe(data, method, row, column);
      const line = body.insertRow();
      const name = element("th", label);
      name.scope = "row";
      line.append(name, element("td", `${rate}%`, "n"), ...said.values.map((value) => element("td", number(value), "n")));
      const trials = said.seeds.map(([seed, value]) => `${seed}: ${value}`).join("; ");
      line.append(element("td", said.interval.replace(/^95% interval | over .*$/g, "")), element("td", trials));
    }));
    box.append(made);
    return box;
  }

  panels();
})();
