
// The list of runs: two ticked ones are compared.
{
  const link = document.getElementById("compare");
  const ticks = [...document.querySelectorAll("input[name=run]")];
  let order = []; // as they were ticked
  const show = () => {
    const ready = order.length === 2;
    link.setAttribute("aria-disabled", String(!ready));
    link.href = ready ? "compare.html#" + order.map(encodeURIComponent).join("&") : "compare.html";
    link.textContent = ready ? `Compare ${order.join(" and ")}` : "Compare runs";
    document.getElementById("chosen").textContent = ready
      ? "Two runs are chosen."
      : order.length
        ? "Choose one more run."
        : "Choose two runs to compare them photo by photo.";
  };
  for (const tick of ticks) {
    tick.addEventListener("change", () => {
      order = order.filter((name) => name !== tick.value);
      if (tick.checked) order.push(tick.value);
      if (order.length > 2) {
        const dropped = order.shift(); // the one that was ticked first makes room
        ticks.find((other) => other.value === dropped).checked = false;
      }
      show();
    });
  }
  if (link) {
    order = ticks.filter((tick) => tick.checked).map((tick) => tick.value).slice(-2); // a browser may keep ticks
    show();
  }
}
