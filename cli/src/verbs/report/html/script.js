"use strict";
// Filters the tables of associations. Their rows are read once; a filter only hides and shows them.
(() => {
  const [filter, text, outcome, shown] = ["filter", "text", "outcome", "shown"]
    .map((id) => document.getElementById(id));
  if (!filter) return;
  const chunks = Array.from(document.querySelectorAll(".chunk"), (chunk) => ({
    chunk,
    rows: Array.from(chunk.querySelectorAll("tbody tr"), (row) => ({
      row,
      outcome: row.cells[0].textContent,
      text: `${row.textContent} ${row.dataset.arns}`.toLowerCase(),
    })),
  }));
  const total = chunks.reduce((sum, it) => sum + it.rows.length, 0);

  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let all = 0;
    for (const { chunk, rows } of chunks) {
      let count = 0;
      for (const it of rows) {
        const matches = (!outcome.value || it.outcome === outcome.value)
          && words.every((word) => it.text.includes(word));
        if (it.row.hidden === matches) it.row.hidden = !matches;
        count += matches;
      }
      chunk.hidden = count === 0;
      // About the height of the rows that are left, while they are not laid out.
      chunk.style.containIntrinsicHeight = `${count * 4}rem`;
      all += count;
    }
    shown.textContent = `${all} of ${total} shown`;
  };

  let timer;
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(apply, 100);
  });
  outcome.addEventListener("change", apply);
  apply();
  filter.hidden = false;
})();
