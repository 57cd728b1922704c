// What the plots of a report can do besides being looked at: values on hover and by arrow keys, series
// switched off in the legend. Without it the page shows the same.
(() => {
  "use strict";
  const bubble = document.getElementById("value");
  const svgName = "http://www.w3.org/2000/svg";

  // The value at a place of the drawing, with the digits that a tenth of its unit can tell apart.
  function told(inverse, place) {
    const value = inverse(place);
    const step = Math.abs(inverse(place + 0.1) - value);
    const unit = Math.pow(10, Math.ceil(Math.log10(step)));
    return String(Number((Math.round(value / unit) * unit).toPrecision(6)));
  }

  // From a place in the drawing back to a value: data-x="log 62 468 0.01 100".
  function inverse(text) {
    const [kind, ...numbers] = text.split(" ");
    const [from, to, low, high] = numbers.map(Number);
    return (place) => {
      const part = (place - from) / (to - from);
      return kind === "log" ? low * Math.pow(high / low, part) : low + part * (high - low);
    };
  }

  // Places and texts of a series: its marks, else the corners of its line.
  function samplesOf(svg, group) {
    const marks = [...group.querySelectorAll(".mark")];
    if (marks.length) {
      return marks.map((mark) => {
        const [x, y] = mark.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
        const title = mark.querySelector("title");
        const text = title.textContent;
        title.remove();  // the browser's own would cover ours
        return { x, y, text };
      });
    }
    const line = group.querySelector(".line");
    if (!line) return [];
    const toX = inverse(svg.dataset.x), toY = inverse(svg.dataset.y);
    return [...line.getAttribute("d").matchAll(/[ML](-?[\d.]+),(-?[\d.]+)/g)].map((found) => {
      const x = Number(found[1]), y = Number(found[2]);
      const text = group.dataset.name + ": " + svg.dataset.xLabel + " " + told(toX, x) + ", " +
        svg.dataset.yLabel + " " + told(toY, y);
      return { x, y, text };
    });
  }

  class InteractivePlot {
    constructor(svg) {
      this.svg = svg;
      this.groups = [...svg.querySelectorAll(".series")];
      this.at = [0, -1];
      svg.setAttribute("tabindex", "0");
      svg.setAttribute("aria-roledescription", "plot; arrow keys read its values");
      svg.addEventListener("pointermove", (event) => this.hover(event));
      svg.addEventListener("pointerdown", (event) => this.hover(event));
      svg.addEventListener("pointerleave", () => this.hide());
      svg.addEventListener("blur", () => this.hide());
      svg.addEventListener("keydown", (event) => this.key(event));
      for (const entry of svg.querySelectorAll(".entry")) this.makeButton(entry);
    }

    // Read when first asked for: a page has many plots.
    get samples() {
      return this.found ??= this.groups.map((group) => samplesOf(this.svg, group));
    }

    visible(i) {
      return !this.groups[i].classList.contains("off") && this.samples[i].length > 0;
    }

    makeButton(entry) {
      const group = this.groups[Number(entry.dataset.series)];
      const press = () => {
        const off = group.classList.toggle("off");
        entry.setAttribute("aria-pressed", String(!off));
        this.hide();
      };
      entry.setAttribute("role", "button");
      entry.setAttribute("tabindex", "0");
      entry.setAttribute("aria-pressed", "true");
      entry.setAttribute("aria-label", "show " + group.dataset.name);
      entry.addEventListener("click", press);
      entry.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        press();
      });
    }

    hover(event) {
      const matrix = this.svg.getScreenCTM();
      if (!matrix) return;
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
      let best = null, least = 24 * 24;
      this.groups.forEach((_, i) => {
        if (!this.visible(i)) return;
        this.samples[i].forEach((sample, k) => {
          const distance = (sample.x - point.x) ** 2 + (sample.y - point.y) ** 2;
          if (distance < least) [least, best] = [distance, [i, k]];
        });
      });
      if (best) this.show(best); else this.hide();
    }

    key(event) {
      const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.key === "Escape") this.hide();
      if (!across && !down) return;
      event.preventDefault();
      let [i, k] = this.at;
      if (!this.groups.some((_, n) => this.visible(n))) return;
      const count = this.groups.length;
      if (down) do i = (i + down + count) % count; while (!this.visible(i));
      while (!this.visible(i)) i = (i + 1) % count;
      k = Math.min(Math.max(k + (across ?? 0), 0), this.samples[i].length - 1);
      this.show([i, k]);
    }

    show(at) {
      this.at = at;
      const sample = this.samples[at[0]][at[1]];
      if (!this.ring) {
        this.ring = document.createElementNS(svgName, "circle");
        this.ring.setAttribute("class", "ring");
        this.ring.setAttribute("r", "6");
      }
      this.ring.setAttribute("cx", sample.x);
      this.ring.setAttribute("cy", sample.y);
      this.svg.append(this.ring);
      bubble.textContent = sample.text;
      const place = new DOMPoint(sample.x, sample.y).matrixTransform(this.svg.getScreenCTM());
      const { width, height } = bubble.getBoundingClientRect();
      const left = Math.min(Math.max(place.x + 12, 4), document.documentElement.clientWidth - width - 4);
      const above = place.y - height - 10;
      bubble.style.left = left + "px";
      bubble.style.top = (above > 4 ? above : place.y + 12) + "px";
    }

    hide() {
      this.ring?.remove();
      bubble.textContent = "";
    }
  }

  for (const svg of document.querySelectorAll("svg.plot")) new InteractivePlot(svg);
})();
