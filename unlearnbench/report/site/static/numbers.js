"use strict";

// The numbers of a board (data.js, written by report/site/data.py), and what is computed from them here: means over
// seeds and cells, their t intervals, and differences of two methods. The formulas are those of
// evaluation/statistics.py, and a test compares the results with it.

const unlearnbench = (() => {
  // The digits of data.py: what ASCII has from "!" to "~", without three characters.
  const DIGITS = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at)).filter((digit) => !'"\\<'.includes(digit));
  const PRODUCT = "aggregate";
  const FACTORS = ["healed_train", "utility"];
  const CLOSE = 1e-4; // percentage points: what differs by less may be one number, rounded twice
  let data = null; // once it is loaded
  let receiver = null;
  let loading = null;

  // The numbers, fetched when they are first asked for. A script, because pages that were opened from the file system
  // may not fetch.
  function load() {
    loading ??= new Promise((resolve, reject) => {
      receiver = resolve;
      const script = document.createElement("script");
      script.src = "data.js";
      script.onerror = () => reject(new Error(`${script.src} cannot be read`));
      document.head.append(script);
    });
    return loading;
  }

  function receive(given) {
    data = given;
    data.index = Object.fromEntries(data.metrics.slice(1).map(([name], index) => [name, index])); // not of the product
    receiver(data);
  }

  // ---- Values

  // The value at a place of a metric's text, which repeats if it is shorter.
  function decoded(index, text, place) {
    const width = data.widths[index];
    const at = (place * width) % text.length;
    const code = [...text.slice(at, at + width)].reduce((sum, digit) => DIGITS.length * sum + DIGITS.indexOf(digit), 0);
    return data.values[index][code] ?? NaN;
  }

  // A part of the plane as rows and columns, from its name in addresses: CORRUPTION, `,RATE` or CORRUPTION,RATE.
  // Null if there is no such part.
  function part(name) {
    const [corruption, rate = ""] = name.split(",");
    const among = (items, wanted) => items.map((item, index) => index).filter((index) => !wanted || items[index] === wanted);
    const rows = among(data.rows.map(([row]) => row), corruption);
    const columns = among(data.rates.map(String), rate);
    return rows.length && columns.length ? { rows, columns } : null;
  }

  function words(name) {
    const { rows, columns } = part(name);
    const row = rows.length === 1 && data.rows.length > 1 ? data.rows[rows[0]][1] : "";
    const column = columns.length === 1 && data.rates.length > 1 ? `${data.rates[columns[0]]}% discovered` : "";
    return [row, column].filter(Boolean).join(", ") || "the whole plane";
  }

  // The values of a cell, one for each seed of the method; NaN where nothing was measured.
  function cell(method, metric, row, column) {
    if (metric === PRODUCT) return product(method, row, column);
    const index = data.index[metric];
    const text = method.values[index][row];
    return method.seeds.map((_, seed) => (text ? decoded(index, text, column * method.seeds.length + seed) : NaN));
  }

  // Utility x healed; 0 for a trial that failed, of which the reason is known.
  function product(method, row, column) {
    const [healed, utility] = FACTORS.map((metric) => cell(method, metric, row, column));
    return method.seeds.map((_, seed) => {
      const failed = typeof method.trials[`${row},${column},${seed}`] === "string";
      return failed ? 0 : (healed[seed] * utility[seed]) / 100;
    });
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length; // NaN of nothing
  const known = (values) => values.filter((value) => !Number.isNaN(value));

  // One value for each seed: the mean over the cells of a part.
  function bySeed(method, metric, { rows, columns }) {
    const cells = rows.flatMap((row) => columns.map((column) => cell(method, metric, row, column)));
    return method.seeds.map((_, seed) => mean(known(cells.map((values) => values[seed]))));
  }

  // ---- Statistics over seeds

  // How many standard errors the end of a 95% interval is away.
  function quantile(freedom) {
    const at = (freedom - (data.fewest - 1)) / data.step;
    const low = Math.min(Math.floor(at + 1e-6), data.quantiles.length - 1);
    const high = Math.min(low + 1, data.quantiles.length - 1);
    return data.quantiles[low] + (at - low) * (data.quantiles[high] - data.quantiles[low]);
  }

  const variance = (values) => {
    const middle = mean(values);
    return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  };
  const constant = (values) => Math.max(...values) - Math.min(...values) < CLOSE;

  // Mean and t interval: mean ± t(n - 1) s / √n.
  function estimate(given) {
    const values = known(given);
    const found = { value: mean(values), low: NaN, high: NaN, seeds: values.length };
    if (values.length < data.fewest || constant(values)) return found;
    const margin = quantile(values.length - 1) * Math.sqrt(variance(values) / values.length);
    return { ...found, low: found.value - margin, high: found.value + margin };
  }

  // What is shown of a method on a part: the estimate over its whole seeds, and their values.
  function score(method, metric, where) {
    const values = method.whole ? bySeed(method, metric, where) : [];
    return { ...estimate(values), values: known(values) };
  }

  // Differences of two methods: paired over the seeds with the same originals, else Welch's.
  function difference(first, second, metric, where) {
    const of = (method) => (method.whole ? bySeed(method, metric, where) : method.seeds.map(() => NaN));
    const [mine, theirs] = [of(first), of(second)];
    const same = first.seeds.map((seed, index) => {
      const other = second.seeds.indexOf(seed);
      const alike = other >= 0 && where.rows.every(
        (row) => first.started[row][index] >= 0 && first.started[row][index] === second.started[row][other],
      );
      return alike ? [seed, mine[index] - theirs[other]] : [seed, NaN];
    });
    const pairs = same.filter(([, value]) => !Number.isNaN(value));
    const values = pairs.map(([, value]) => value);
    const count = (test) => values.filter(test).length;
    const won = [count((x) => x > CLOSE), count((x) => Math.abs(x) <= CLOSE), count((x) => x < -CLOSE)];
    const found = { low: NaN, high: NaN, kind: "untested", values, won };
    if (values.length >= data.fewest) {
      const value = mean(values);
      if (constant(values)) {
        if (Math.abs(value) >= CLOSE) return { ...found, value, seeds: values.length };
        return { ...found, value: 0, low: 0, high: 0, kind: "paired", seeds: values.length };
      }
      const margin = quantile(values.length - 1) * Math.sqrt(variance(values) / values.length);
      return { ...found, value, low: value - margin, high: value + margin, kind: "paired", seeds: values.length };
    }
    return unpaired(known(mine), known(theirs), { ...found, values: [] }, values);
  }

  function unpaired(mine, theirs, found, pairs) {
    const seeds = Math.min(mine.length, theirs.length);
    const value = mean(mine) - mean(theirs);
    if (seeds < data.fewest) {
      return pairs.length ? { ...found, value: mean(pairs), seeds: pairs.length } : { ...found, value, seeds };
    }
    if (constant(mine) && constant(theirs)) {
      if (Math.abs(value) >= CLOSE) return { ...found, value, seeds };
      return { ...found, value: 0, low: 0, high: 0, kind: "unpaired", seeds };
    }
    const parts = [mine, theirs].map((values) => variance(values) / values.length);
    const error = Math.sqrt(parts[0] + parts[1]);
    const freedom = (parts[0] + parts[1]) ** 2
      / (parts[0] ** 2 / (mine.length - 1) + parts[1] ** 2 / (theirs.length - 1));
    const margin = quantile(freedom) * error;
    return { ...found, value, low: value - margin, high: value + margin, kind: "unpaired", seeds };
  }

  // ---- Text

  // As Python writes it: what lies exactly between two numbers becomes the even one.
  function number(value, decimals = 1) {
    if (Number.isNaN(value)) return "–";
    const text = value.toFixed(decimals);
    const between = Number.isInteger(value * 2 ** (decimals + 1)) && !Number.isInteger(value * 2 ** decimals);
    const away = between && Number(text.at(-1)) % 2;
    const shown = away ? (value - Math.sign(value) * 0.4 * 10 ** -decimals).toFixed(decimals) : text;
    return /^-0(\.0*)?$/.test(shown) ? shown.slice(1) : shown;
  }

  function interval(low, high) {
    return Number.isNaN(low) ? "" : `[${number(Math.max(low, 0))}, ${number(Math.min(high, 100))}]`;
  }

  function signed(value, decimals = 1) {
    const text = number(value, decimals);
    return value > 0 && Number(text) !== 0 ? `+${text}` : text;
  }

  return { load, receive, part, words, cell, estimate, score, difference, mean, known, number, interval, signed };
})();
