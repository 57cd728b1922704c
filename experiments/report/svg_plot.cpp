#include "experiments/report/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "experiments/report/markup.h"
#include "experiments/report/plot_scale.h"
#include "experiments/tables/text_width.h"

namespace roundlab {
namespace {

// User units; a page shows them as pixels where it has room.
constexpr double kWidth = 420;
constexpr double kRight = kWidth - 20;
constexpr double kTop = 30;
constexpr double kPlotHeight = 220;
constexpr double kRowHeight = 20;
constexpr double kLetter = 7.2;  // mean width of a letter at 11.5 units, of wide fonts
constexpr double kLegendLine = 18;
constexpr std::size_t kMostLabel = 30;  // letters of a row's label or a legend's entry

// On white and on near black with a contrast of 3 or more.
constexpr const char* kColors[] = {"#2f7ed8", "#e0662a", "#2e9e6b", "#b455c9", "#d63f5f",
                                   "#8a7d2a", "#1a9cb0", "#8b6f5e", "#6a6fd8", "#7d8590"};
constexpr std::size_t kColorCount = std::size(kColors);
constexpr const char* kMarks[] = {"M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0z",
                                  "M-3.2,-3.2h6.4v6.4h-6.4z", "M0,-4.2L4,3H-4z",
                                  "M0,-4.4L4.4,0L0,4.4L-4.4,0z"};
constexpr std::size_t kMarkCount = std::size(kMarks);
constexpr const char* kDashes[] = {"", "6 3", "2 2"};

std::string Place(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  std::string place = text;
  if (place.size() > 2 && place.ends_with(".0")) place.resize(place.size() - 2);
  return place == "-0" ? "0" : place;
}

std::string Attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}

std::string Text(double x, double y, const char* anchor, const std::string& text,
                 const std::string& more = "") {
  return "<text" + Attribute("x", Place(x)) + Attribute("y", Place(y)) +
         Attribute("text-anchor", anchor) + more + ">" + Markup(text) + "</text>";
}

std::string Line(const char* kind, double x1, double y1, double x2, double y2,
                 const std::string& more) {
  return "<path" + Attribute("class", kind) +
         Attribute("d", "M" + Place(x1) + "," + Place(y1) + "L" + Place(x2) + "," + Place(y2)) +
         more + "/>";
}

/// Blue over violet and red to orange, of a lightness that both themes show.
std::string ShadeColor(double shade) {
  const int hue = static_cast<int>(std::lround(210 + 180 * std::clamp(shade, 0.0, 1.0))) % 360;
  return "hsl(" + std::to_string(hue) + ",65%,52%)";
}

class Drawing {
 public:
  Drawing(const Plot& plot, const std::string& style)
      : plot_(plot),
        rows_(!plot.y.categories.empty()),
        left_(LeftMargin()),
        bottom_(kTop +
                (rows_ ? kRowHeight * static_cast<double>(plot.y.categories.size()) : kPlotHeight)),
        x_(Values(true), plot.x.log, left_, kRight),
        y_(rows_ ? PlotScale::OfRows(plot.y.categories.size(), kTop, bottom_)
                 : PlotScale(Values(false), plot.y.log, bottom_, kTop)) {
    const std::string body = Axes() + ReferenceLines() + AllSeries();
    const std::string below = Legend() + NotDrawn();
    svg_ = Head(style) + body + below + "</svg>\n";
  }
  const std::string& svg() const { return svg_; }

 private:
  double LeftMargin() const {
    if (!rows_) return 62;
    std::size_t longest = 4;
    for (const std::string& row : plot_.y.categories) {
      longest = std::max(longest, std::min(TextWidth(row), kMostLabel));
    }
    return 14 + kLetter * static_cast<double>(longest);
  }

  /// All values along an axis, ends of intervals too.
  std::vector<double> Values(bool of_x) const {
    std::vector<double> values;
    for (const PlotSeries& series : plot_.series) {
      for (const PlotPoint& p : series.points) {
        values.push_back(of_x ? p.x : p.y);
        if (of_x == rows_) values.insert(values.end(), {p.low, p.high});
      }
    }
    for (const PlotLine& line : plot_.lines) {
      if (!of_x) values.push_back(line.y);
    }
    return values;
  }

  std::string Head(const std::string& style) const {
    const std::string title_id = plot_.name + "-title";
    const std::string about_id = plot_.name + "-about";
    std::string head =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"group\"" +
        Attribute("aria-labelledby", title_id + " " + about_id) +
        Attribute("viewBox", "0 0 " + Place(kWidth) + " " + Place(height_)) +
        Attribute("width", Place(kWidth)) + Attribute("height", Place(height_)) +
        Attribute("data-x", x_.Describe()) + Attribute("data-y", rows_ ? "rows" : y_.Describe()) +
        Attribute("data-x-label", Markup(plot_.x.label)) +
        Attribute("data-y-label", Markup(plot_.y.label)) +
        " font-family=\"system-ui, sans-serif\" font-size=\"11.5\" fill=\"#24292f\">";
    head += "<title" + Attribute("id", title_id) + ">" + Markup(plot_.title) + "</title><desc" +
            Attribute("id", about_id) + ">" + Markup(plot_.description) + "</desc>";
    if (!style.empty()) head += "<style>" + style + "</style>";
    head += "<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>";
    return head +
           Text(kWidth / 2, 17, "middle", Shortened(plot_.title, 54),
                " class=\"heading\" font-weight=\"600\"") +
           "\n";
  }

  std::string Axes() const {
    constexpr const char* kGrid = " stroke=\"#d8dee4\" fill=\"none\"";
    std::string text = "<g class=\"axes\" aria-hidden=\"true\">";
    for (const Tick& tick : x_.Ticks(7, plot_.x.whole)) {
      const double x = x_(tick.value);
      text +=
          Line("grid", x, kTop, x, bottom_, kGrid) + Text(x, bottom_ + 15, "middle", tick.label);
    }
    if (rows_) {
      for (std::size_t i = 0; i < plot_.y.categories.size(); ++i) {
        const double y = y_(static_cast<double>(i));
        text += Line("grid", left_, y, kRight, y, kGrid) +
                Text(left_ - 7, y + 4, "end", Shortened(plot_.y.categories[i], kMostLabel));
      }
    } else {
      for (const Tick& tick : y_.Ticks(7)) {
        const double y = y_(tick.value);
        text +=
            Line("grid", left_, y, kRight, y, kGrid) + Text(left_ - 7, y + 4, "end", tick.label);
      }
      text +=
          Text(14, (kTop + bottom_) / 2, "middle", plot_.y.label + (plot_.y.log ? " (log)" : ""),
               Attribute("transform", "rotate(-90 14 " + Place((kTop + bottom_) / 2) + ")"));
    }
    return text +
           Text((left_ + kRight) / 2, bottom_ + 32, "middle",
                plot_.x.label + (plot_.x.log ? " (log)" : "")) +
           "</g>\n";
  }

  std::string ReferenceLines() const {
    std::string text;
    for (const PlotLine& line : plot_.lines) {
      if (!y_.Draws(line.y)) continue;
      const double y = y_(line.y);
      text += Line("reference", left_, y, kRight, y,
                   " stroke=\"#57606a\" stroke-dasharray=\"4 4\" fill=\"none\"") +
              Text(left_ + 4, y - 4, "start", Shortened(line.name, kMostLabel),
                   " class=\"reference-name\"");
    }
    return text;
  }

  std::size_t Look(std::size_t i) const { return plot_.series[i].look.value_or(i); }
  std::string Color(std::size_t i) const {
    const auto& shade = plot_.series[i].shade;
    return shade ? ShadeColor(*shade) : kColors[Look(i) % kColorCount];
  }
  std::string Dash(std::size_t i) const {
    const std::string dash = kDashes[(Look(i) / kColorCount) % std::size(kDashes)];
    if (plot_.series[i].shade || dash.empty()) return "";
    return Attribute("stroke-dasharray", dash);
  }

  bool Draws(const PlotPoint& p) const { return x_.Draws(p.x) && y_.Draws(p.y); }

  std::string Path(const PlotSeries& series) const {
    std::string path;
    bool pen_down = false;
    double before = 0;
    for (const PlotPoint& p : series.points) {
      const bool drawn = Draws(p);
      if (drawn) {
        const std::string x = Place(x_(p.x));
        const double y = y_(p.y);
        if (pen_down && series.mark == PlotMark::kSteps) path += "L" + x + "," + Place(before);
        path += (pen_down ? "L" : "M") + x + "," + Place(y);
        before = y;
      }
      pen_down = drawn;
    }
    return path;
  }

  std::string Interval(const PlotPoint& p) const {
    const PlotScale& scale = rows_ ? x_ : y_;
    if (std::isnan(p.low) || !scale.Draws(p.high)) return "";
    const double x = x_(p.x);
    const double y = y_(p.y);
    // On a logarithmic axis an interval may reach below all that can be drawn.
    const double low = scale.Draws(p.low) ? scale(p.low) : scale.From();
    const double high = scale(p.high);
    std::string path;
    if (rows_) {
      path = "M" + Place(low) + "," + Place(y) + "H" + Place(high);
      for (const double end : {low, high}) path += "M" + Place(end) + "," + Place(y - 4) + "v8";
    } else {
      path = "M" + Place(x) + "," + Place(low) + "V" + Place(high);
      for (const double end : {low, high}) path += "M" + Place(x - 4) + "," + Place(end) + "h8";
    }
    return "<path class=\"interval\"" + Attribute("d", path) + " fill=\"none\"/>";
  }

  std::string Mark(std::size_t i, const PlotPoint& p) const {
    const PlotSeries& series = plot_.series[i];
    std::string label = p.label;
    if (label.empty()) {
      label = series.name + ": " + plot_.x.label + " " + ShortNumber(p.x, 5) + ", " +
              plot_.y.label + " " + ShortNumber(p.y, 5);
    }
    return Interval(p) + "<g class=\"mark\"" +
           Attribute("transform", "translate(" + Place(x_(p.x)) + "," + Place(y_(p.y)) + ")") +
           "><title>" + Markup(label) + "</title><path" +
           Attribute("d", kMarks[Look(i) % kMarkCount]) + Attribute("fill", Color(i)) + "/></g>";
  }

  std::string AllSeries() const {
    std::string text;
    for (std::size_t i = 0; i < plot_.series.size(); ++i) {
      const PlotSeries& series = plot_.series[i];
      text += "<g class=\"series\" aria-hidden=\"true\"" +
              Attribute("data-series", std::to_string(i)) +
              Attribute("data-name", Markup(series.name)) + Attribute("stroke", Color(i)) + ">";
      if (series.mark != PlotMark::kPoints) {
        text += "<path class=\"line\"" + Attribute("d", Path(series)) +
                " fill=\"none\" stroke-width=\"1.6\" stroke-linejoin=\"round\"" + Dash(i) + "/>";
      }
      if (series.mark == PlotMark::kPoints || series.mark == PlotMark::kLineAndPoints) {
        for (const PlotPoint& p : series.points) {
          if (Draws(p)) text += Mark(i, p);
        }
      }
      text += "</g>\n";
    }
    return text;
  }

  std::string Sample(std::size_t i, double x, double y) const {
    const PlotMark mark = plot_.series[i].mark;
    std::string text;
    if (mark != PlotMark::kPoints) {
      text += Line("line", x, y, x + 18, y,
                   Attribute("stroke", Color(i)) + " stroke-width=\"2.4\"" + Dash(i));
    }
    if (mark == PlotMark::kPoints || mark == PlotMark::kLineAndPoints) {
      text += "<path" + Attribute("transform", "translate(" + Place(x + 9) + "," + Place(y) + ")") +
              Attribute("d", kMarks[Look(i) % kMarkCount]) + Attribute("fill", Color(i)) + "/>";
    }
    return text;
  }

  /// Entries in lines below the plot; sets the drawing's height.
  std::string Legend() {
    double x = 14;
    double y = bottom_ + 52;
    height_ = bottom_ + 42;
    if (plot_.series.size() < 2) return "";
    std::string text = "<g class=\"legend\">";
    for (std::size_t i = 0; i < plot_.series.size(); ++i) {
      const std::string name = Shortened(plot_.series[i].name, kMostLabel);
      const double width = 34 + kLetter * static_cast<double>(TextWidth(name));
      if (x > 14 && x + width > kRight) {
        x = 14;
        y += kLegendLine;
      }
      text += "<g class=\"entry\"" + Attribute("data-series", std::to_string(i)) + "><title>" +
              Markup(plot_.series[i].name) + "</title><rect class=\"key\"" +
              Attribute("x", Place(x - 5)) + Attribute("y", Place(y - 9)) +
              Attribute("width", Place(width)) + " height=\"17\" rx=\"4\" fill=\"none\"/>" +
              Sample(i, x, y) + Text(x + 23, y + 4, "start", name) + "</g>";
      x += width + 6;
    }
    height_ = y + 14;
    return text + "</g>";
  }

  /// "rtn: 1 of 3 not finite" for each series and reference line that lacks something.
  std::vector<std::string> Gaps() const {
    std::vector<std::string> gaps;
    for (const PlotSeries& series : plot_.series) {
      std::size_t not_finite = 0;
      std::size_t not_positive = 0;
      for (const PlotPoint& p : series.points) {
        if (Draws(p)) continue;
        ++(std::isfinite(p.x) && std::isfinite(p.y) ? not_positive : not_finite);
      }
      const std::string of = " of " + std::to_string(series.points.size());
      if (not_finite > 0) {
        gaps.push_back(series.name + ": " + std::to_string(not_finite) + of + " not finite");
      }
      if (not_positive > 0) {
        gaps.push_back(series.name + ": " + std::to_string(not_positive) + of + " not positive");
      }
    }
    for (const PlotLine& line : plot_.lines) {
      if (y_.Draws(line.y)) continue;
      gaps.push_back(line.name + (std::isfinite(line.y) ? ": not positive" : ": not finite"));
    }
    return gaps;
  }

  /// What the plot leaves out, in lines below the legend; makes the drawing higher.
  std::string NotDrawn() {
    std::string text;
    for (const std::string& gap : Gaps()) {
      height_ += kLegendLine;
      text += Text(14, height_ - 9, "start", Shortened("Not drawn: " + gap, 58),
                   " class=\"not-drawn\"");
    }
    return text;
  }

  const Plot& plot_;
  const bool rows_;
  const double left_;
  const double bottom_;
  const PlotScale x_;
  const PlotScale y_;
  double height_ = 0;
  std::string svg_;
};

}  // namespace

void SortByX(std::vector<PlotPoint>* points) {
  std::stable_sort(points->begin(), points->end(), [](const PlotPoint& a, const PlotPoint& b) {
    return std::isnan(b.x) ? !std::isnan(a.x) : a.x < b.x;
  });
}

bool WantsLog(const std::vector<double>& values) {
  double least = std::numeric_limits<double>::infinity();
  double most = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  return least > 0 && most > 6 * least;
}

std::string ToSvg(const Plot& plot, const std::string& style) { return Drawing(plot, style).svg(); }

}  // namespace roundlab
