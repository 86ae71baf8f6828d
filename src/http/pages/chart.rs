//! Charts: SVG made here, without a script. Series are told apart by pattern and by name, not by colour alone, and every
//! number is in a table behind the chart (of a sparkline, in its label).

use super::words::{Escaped, number};
use askama::filters::HtmlSafe;
use std::fmt;

/// Units of a bar's width in a sparkline, its gap included.
const SPARK_STEP: usize = 4;
/// Units of a sparkline's height.
const SPARK_HEIGHT: u64 = 20;
/// Units of a chart's height and of a column's width, which is stretched to the page.
const HEIGHT: u64 = 160;
const COLUMN: usize = 10;
/// Patterns that series have, in turn.
const PATTERNS: usize = 6;
/// Labels below a chart at most: more would run into each other on a phone.
const LABELS_MAX: usize = 6;

/// A small chart within a line or a cell: a bar for each value. One that is not zero is never invisible.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sparkline {
    /// One for each unit of time, oldest first.
    pub values: Vec<u64>,
    /// What it shows, for whoever does not see it: the numbers that matter.
    pub label: String,
}

impl HtmlSafe for Sparkline {}

impl fmt::Display for Sparkline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.values.len() * SPARK_STEP;
        let label = Escaped(&self.label);
        write!(f, "<svg class=\"spark\" viewBox=\"0 0 {width} {SPARK_HEIGHT}\" role=\"img\" aria-label=\"{label}\">")?;
        write!(f, "<title>{label}</title><path class=\"base\" d=\"M0 {SPARK_HEIGHT}H{width}\"/>")?;
        let most = self.values.iter().copied().max().unwrap_or(0);
        if most > 0 {
            f.write_str("<path d=\"")?;
            for (at, &value) in self.values.iter().enumerate().filter(|(_, value)| **value > 0) {
                let x = at * SPARK_STEP + SPARK_STEP / 2;
                write!(f, "M{x} {SPARK_HEIGHT}v-{}", share(value, most, SPARK_HEIGHT).max(2))?;
            }
            f.write_str("\"/>")?;
        }
        f.write_str("</svg>")
    }
}

/// `value` of `most`, in units of `whole`, rounded up.
fn share(value: u64, most: u64, whole: u64) -> u64 {
    let units = u128::from(value) * u128::from(whole);
    u64::try_from(units.div_ceil(u128::from(most.max(1)))).unwrap_or(whole).min(whole)
}

/// A column of a bar chart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Column {
    /// What it is of, in full: the row's name in the table.
    pub label: String,
    /// The same in short, below the chart; empty columns may have none.
    pub short: String,
    /// A value for each series, stacked from below.
    pub parts: Vec<u64>,
    /// What is marked above it, such as "12 refused for quota".
    pub mark: Option<String>,
}

/// A bar chart, with its legend and its table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bars {
    /// Of its elements, apart from other charts of the page: small letters and hyphens.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// What a column is of: "Hour".
    pub over: &'static str,
    /// Names of the series.
    pub series: Vec<String>,
    /// What a mark means, where there are some: "Refused for quota".
    pub marks: Option<&'static str>,
    /// Oldest first.
    pub columns: Vec<Column>,
}

impl HtmlSafe for Bars {}

impl Bars {
    fn most(&self) -> u64 {
        nice(self.columns.iter().map(|column| column.parts.iter().sum()).max().unwrap_or(0))
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>, most: u64) -> fmt::Result {
        let (id, width) = (self.id, self.columns.len() * COLUMN);
        write!(
            f,
            "<svg viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"{id}-title\">"
        )?;
        self.patterns(f)?;
        for line in [0, HEIGHT / 2, HEIGHT] {
            write!(f, "<path class=\"grid\" d=\"M0 {line}H{width}\"/>")?;
        }
        for (at, column) in self.columns.iter().enumerate() {
            self.column(f, at * COLUMN, column, most)?;
        }
        f.write_str("</svg>")
    }

    fn patterns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<defs>")?;
        for pattern in 0..self.series.len().min(PATTERNS) {
            let lines = ["", "M0 6L6 0", "M0 3H6", "M3 0V6", "M0 0L6 6M0 6L6 0", "M2 2H4V4H2Z"][pattern];
            write!(
                f,
                "<pattern id=\"{}-{pattern}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">",
                self.id
            )?;
            write!(
                f,
                "<rect class=\"fill-{pattern}\" width=\"6\" height=\"6\"/><path class=\"hatch\" d=\"{lines}\"/></pattern>"
            )?;
        }
        f.write_str("</defs>")
    }

    fn column(&self, f: &mut fmt::Formatter<'_>, x: usize, column: &Column, most: u64) -> fmt::Result {
        let sum: u64 = column.parts.iter().sum();
        write!(f, "<g><title>{}: {}", Escaped(&column.label), number(sum))?;
        if let Some(mark) = &column.mark {
            write!(f, ", {}", Escaped(mark))?;
        }
        f.write_str("</title>")?;
        let mut below = 0;
        for (series, &part) in column.parts.iter().enumerate().filter(|(_, part)| **part > 0) {
            let (low, high) = (share(below, most, HEIGHT), share(below + part, most, HEIGHT));
            let height = (high - low).max(1);
            let (y, id, pattern) = (HEIGHT.saturating_sub(low + height), self.id, series % PATTERNS);
            write!(
                f,
                "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{height}\" fill=\"url(#{id}-{pattern})\"/>",
                x + 1,
                COLUMN - 2
            )?;
            below += part;
        }
        if column.mark.is_some() {
            write!(f, "<path class=\"mark\" d=\"M{} 0v{HEIGHT}\"/>", x + COLUMN / 2)?;
        }
        f.write_str("</g>")
    }

    fn legend(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.series.len() < 2 && self.marks.is_none() {
            return Ok(());
        }
        f.write_str("<ul class=\"legend\">")?;
        for (series, name) in self.series.iter().enumerate() {
            let (id, pattern) = (self.id, series % PATTERNS);
            write!(
                f,
                "<li><svg viewBox=\"0 0 18 12\" aria-hidden=\"true\"><rect width=\"18\" height=\"12\" fill=\"url(#{id}-{pattern})\"/></svg> <bdi>{}</bdi></li>",
                Escaped(name)
            )?;
        }
        if let Some(marks) = self.marks {
            write!(
                f,
                "<li><svg viewBox=\"0 0 18 12\" aria-hidden=\"true\"><path class=\"mark\" d=\"M9 0v12\"/></svg> {marks}</li>"
            )?;
        }
        f.write_str("</ul>")
    }

    fn labels(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = self.columns.len().div_ceil(LABELS_MAX).max(1);
        f.write_str("<div class=\"over\" aria-hidden=\"true\">")?;
        for column in self.columns.iter().step_by(step) {
            write!(f, "<span>{}</span>", Escaped(&column.short))?;
        }
        f.write_str("</div>")
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<details><summary>The numbers as a table</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{}-title\">",
            self.id
        )?;
        write!(f, "<table><thead><tr><th scope=\"col\">{}</th>", self.over)?;
        for name in &self.series {
            write!(f, "<th scope=\"col\" class=\"number\"><bdi>{}</bdi></th>", Escaped(name))?;
        }
        if let Some(marks) = self.marks {
            write!(f, "<th scope=\"col\">{marks}</th>")?;
        }
        f.write_str("</tr></thead><tbody>")?;
        for column in &self.columns {
            write!(f, "<tr><th scope=\"row\">{}</th>", Escaped(&column.label))?;
            for series in 0..self.series.len() {
                write!(f, "<td class=\"number\">{}</td>", number(column.parts.get(series).copied().unwrap_or(0)))?;
            }
            if self.marks.is_some() {
                write!(f, "<td>{}</td>", Escaped(column.mark.as_deref().unwrap_or("")))?;
            }
            f.write_str("</tr>")?;
        }
        f.write_str("</tbody></table></div></details>")
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most();
        write!(f, "<figure class=\"bars\"><figcaption id=\"{}-title\">{}</figcaption>", self.id, Escaped(&self.title))?;
        write!(
            f,
            "<div class=\"plot\"><div class=\"scale\" aria-hidden=\"true\"><span>{}</span><span>{}</span><span>0</span></div>",
            number(most),
            number(most / 2)
        )?;
        self.draw(f, most)?;
        self.labels(f)?;
        f.write_str("</div>")?;
        self.legend(f)?;
        self.table(f)?;
        f.write_str("</figure>")
    }
}

/// The next number that a scale ends with: 2, 4, 10, 20, 40, 100 …
fn nice(most: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        for step in [2, 4, 10] {
            let end = unit.saturating_mul(step);
            if end >= most {
                return end;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_with_a_round_number() {
        for (most, end) in [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (39, 40), (2_400, 4_000), (u64::MAX, u64::MAX)] {
            assert_eq!(nice(most), end, "{most}");
        }
    }

    #[test]
    fn a_sparkline_shows_every_day_with_a_use() {
        let spark = Sparkline { values: vec![0, 1, 1_000], label: "2 \"days\"".to_owned() }.to_string();
        assert!(spark.contains("M6 20v-2M10 20v-20"), "{spark}");
        assert!(spark.contains("aria-label=\"2 &#34;days&#34;\""), "{spark}");
        let none = Sparkline { values: vec![0; 30], label: "none".to_owned() }.to_string();
        assert_eq!(none.matches("<path").count(), 1, "only the base line");
    }

    #[test]
    fn a_chart_has_all_its_numbers_in_its_table() {
        let column = |label: &str, parts: &[u64], mark: Option<&str>| Column {
            label: label.to_owned(),
            short: label.to_owned(),
            parts: parts.to_vec(),
            mark: mark.map(str::to_owned),
        };
        let bars = Bars {
            id: "hours",
            title: "Uses <by> hour".to_owned(),
            over: "Hour",
            series: vec!["<b>deploy</b>".to_owned(), "robot".to_owned()],
            marks: Some("Refused for quota"),
            columns: vec![column("10:00", &[1_200, 3], None), column("11:00", &[0, 7], Some("12 refused"))],
        };
        let html = bars.to_string();
        assert!(html.contains(
            "<th scope=\"row\">10:00</th><td class=\"number\">1,200</td><td class=\"number\">3</td><td></td>"
        ));
        assert!(html.contains("<td class=\"number\">0</td><td class=\"number\">7</td><td>12 refused</td>"));
        assert!(!html.contains("<b>") && !html.contains("<by>"), "{html}");
        assert_eq!(html.matches("<rect x=").count(), 3, "no bar for zero");
    }
}
