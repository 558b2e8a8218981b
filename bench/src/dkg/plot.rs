//! A plot of times against numbers of operators, both axes logarithmic, as SVG.

use std::fmt::Write;

/// Points `(n, milliseconds)` under a name, in a colour.
pub struct Series<'a> {
    /// In the legend.
    pub name: &'a str,
    /// Of its line and points, as CSS has it.
    pub colour: &'a str,
    /// At least one, all coordinates above 0.
    pub points: &'a [(f64, f64)],
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;

/// One logarithmic axis: values from `least` to `most` on pixels from `from` to `to`.
struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let part = (value / self.least).ln() / (self.most / self.least).ln();
        self.from + part * (self.to - self.from)
    }

    /// 1, 2 and 5 times every power of ten on the axis.
    fn ticks(&self) -> Vec<f64> {
        let powers = (-3..7).map(|power| 10.0_f64.powi(power));
        let all = powers.flat_map(|power| [power, 2.0 * power, 5.0 * power]);
        all.filter(|tick| *tick >= self.least && *tick <= self.most).collect()
    }
}

/// The document.
pub fn svg(series: &[Series<'_>]) -> String {
    let points = || series.iter().flat_map(|series| series.points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)))
    };
    let ((n_least, n_most), (least, most)) = (range(|point| point.0), range(|point| point.1));
    let x = Axis { least: n_least / 1.1, most: n_most * 1.1, from: MARGIN, to: WIDTH - 20.0 };
    let y = Axis { least: least / 1.5, most: most * 1.5, from: HEIGHT - MARGIN, to: 20.0 };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    grid(&mut out, &x, &y);
    for (number, series) in series.iter().enumerate() {
        line(&mut out, series, (&x, &y), 36.0 + 18.0 * number as f64);
    }
    out.push_str("</svg>\n");
    out
}

fn grid(out: &mut String, x: &Axis, y: &Axis) {
    for tick in x.ticks() {
        let (at, below) = (x.place(tick), y.from + 16.0);
        let (top, bottom) = (y.to, y.from);
        push(out, format_args!("<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#ddd\"/>"));
        push(out, format_args!("<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{tick}</text>"));
    }
    for tick in y.ticks() {
        let (at, left, right, label) = (y.place(tick), x.from, x.to, x.from - 6.0);
        push(out, format_args!("<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/>"));
        push(out, format_args!("<text x=\"{label}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>", at + 4.0));
    }
    let (middle, low) = ((x.from + x.to) / 2.0, HEIGHT - 20.0);
    push(out, format_args!("<text x=\"{middle}\" y=\"{low}\" text-anchor=\"middle\">operators n</text>"));
    push(out, format_args!("<text x=\"6\" y=\"14\">milliseconds of one node</text>"));
}

fn line(out: &mut String, series: &Series<'_>, (x, y): (&Axis, &Axis), legend: f64) {
    let colour = series.colour;
    let places: Vec<(f64, f64)> = series.points.iter().map(|(n, time)| (x.place(*n), y.place(*time))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = path.join(" ");
    push(out, format_args!("<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"));
    for (x, y) in places {
        push(out, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"));
    }
    let left = x.from + 12.0;
    push(out, format_args!("<text x=\"{left}\" y=\"{legend}\" fill=\"{colour}\">{}</text>", series.name));
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::{Series, svg};

    #[test]
    fn more_is_further_right_and_higher() {
        let points = [(10.0, 20.0), (100.0, 2000.0)];
        let document = svg(&[Series { name: "ours", colour: "blue", points: &points }]);
        let circles = document.lines().filter(|line| line.starts_with("<circle"));
        let coordinate = |line: &str, name: &str| -> f64 {
            line.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap().parse().unwrap()
        };
        let places: Vec<(f64, f64)> = circles.map(|line| (coordinate(line, "cx"), coordinate(line, "cy"))).collect();
        assert_eq!(places.len(), 2);
        assert!(places[1].0 > places[0].0 && places[1].1 < places[0].1);
    }
}
