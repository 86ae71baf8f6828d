// Small helps on top of pages that work without them: countdown, copying, searching in a list of check boxes.
"use strict";
document.documentElement.classList.add("scripted");

// <time data-countdown datetime="…">: how long until then, counted by the server's clock (data-now), beside the exact time.
for (const time of document.querySelectorAll("time[data-countdown]")) {
  const out = document.getElementById(time.dataset.countdown);
  const offset = Date.parse(time.dataset.now) - Date.now();
  const tick = () => {
    const left = Math.ceil((Date.parse(time.dateTime) - Date.now() - offset) / 1000);
    if (left <= 0) { out.textContent = "The window is over: the next request opens a new one."; return; }
    const two = (n) => String(n).padStart(2, "0");
    out.textContent = `in ${two(Math.floor(left / 60))}:${two(left % 60)}`;
    setTimeout(tick, 1000);
  };
  if (out) tick();
}

// <button data-copy="ID">: copies the text of an element and says so.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    let copied = false;
    try {
      await navigator.clipboard.writeText(source.textContent);
      copied = true;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
    setTimeout(() => { button.textContent = label; }, 2500);
  });
}

// <details class="picker">: names are looked for among its check boxes; how many are ticked stands in its summary.
for (const picker of document.querySelectorAll(".picker")) {
  const search = picker.querySelector("input[type=search]");
  const all = picker.querySelector("input[data-all]");
  const boxes = [...picker.querySelectorAll("li")];
  const said = picker.querySelector(".said");
  if (search) {
    const found = picker.querySelector(".found");
    search.closest(".field").hidden = false;
    search.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      let shown = 0;
      for (const item of boxes) {
        item.hidden = !item.textContent.toLowerCase().includes(wanted);
        shown += item.hidden ? 0 : 1;
      }
      found.textContent = wanted ? `${shown} of ${boxes.length} shown` : "";
    });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  }
  const say = () => {
    if (!said) return;
    const ticked = boxes.filter((item) => item.querySelector("input").checked).map((item) => item.textContent.trim());
    const first = ticked.slice(0, 3).join(", ");
    said.textContent = all?.checked ? "all, including ones added later"
      : ticked.length === 0 ? "nothing yet" : ticked.length <= 3 ? first : `${first} and ${ticked.length - 3} more`;
  };
  picker.addEventListener("change", (event) => {
    const box = event.target;
    // Whoever ticks a name means names.
    if (box.type === "checkbox" && box.checked) picker.querySelector("input[data-named]")?.click();
    say();
  });
}

// A list of levels that has "No access" chosen needs no picker.
for (const grant of document.querySelectorAll(".grant")) {
  const picker = grant.querySelector(".picker");
  if (!picker) continue;
  const sync = () => { picker.hidden = grant.querySelector("input[value=none]")?.checked ?? false; };
  grant.addEventListener("change", sync);
  sync();
}

// <form data-once>: sent once, however often the button is pressed.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    for (const button of form.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
  });
}
// Coming back to a page (a page kept whole by the browser): its buttons work again.
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of document.querySelectorAll("form[data-once] button")) button.disabled = false;
});
// A page with a secret that is left is kept by no browser with the secret in it.
addEventListener("pagehide", () => {
  for (const secret of document.querySelectorAll("[data-secret]")) secret.textContent = "shown once, and not kept";
});
