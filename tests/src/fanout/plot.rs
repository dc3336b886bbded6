//! The picture of cost against load.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use super::peers::Peer;
use super::scenario::Step;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
/// Around the plot: left, top, right (for the names), bottom.
const MARGIN: [f64; 4] = [70.0, 40.0, 170.0, 50.0];
/// Colours that people who see colours differently can tell apart (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#000000", "#7f7f7f", "#e69f00", "#009e73", "#cc79a7", "#d55e00"];

/// A logarithmic axis, in powers of ten, along some pixels.
struct Axis {
    powers: RangeInclusive<i32>,
    from: f64,
    to: f64,
}

impl Axis {
    fn holding(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).log10().floor() as i32;
        let most = values.fold(0.0, f64::max).log10().ceil() as i32;
        Self { powers: least..=most.max(least + 1), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let (least, most) = (f64::from(*self.powers.start()), f64::from(*self.powers.end()));
        self.from + (value.log10() - least) / (most - least) * (self.to - self.from)
    }
}

/// An SVG with one line a server: what a delivery costs at a load, up to the largest that it sustains.
pub(super) fn plot(storm: &[(Peer, Vec<Step>)]) -> String {
    let all = storm.iter().flat_map(|(_, steps)| steps);
    let [left, top, right, bottom] = MARGIN;
    let x = Axis::holding(all.clone().map(|step| step.rate), left, WIDTH - right);
    let y = Axis::holding(all.map(|step| step.cost), HEIGHT - bottom, top);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{left}\" y=\"24\" font-size=\"15\">Storm: microseconds of the server's processor for each delivery, against deliveries a second</text>\n"
    );
    for power in x.powers.clone() {
        let at = x.at(10f64.powi(power));
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} {top}V{:.1}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - bottom,
            HEIGHT - bottom + 20.0,
            power_of_ten(power)
        );
    }
    for power in y.powers.clone() {
        let at = y.at(10f64.powi(power));
        let _ = writeln!(
            out,
            "<path d=\"M{left} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - right,
            left - 8.0,
            at + 4.0,
            power_of_ten(power)
        );
    }
    let mut names: Vec<(f64, String)> = Vec::new();
    for ((peer, steps), colour) in storm.iter().zip(COLOURS) {
        let mut steps = steps.clone();
        steps.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        let points: Vec<String> =
            steps.iter().map(|step| format!("{:.1},{:.1}", x.at(step.rate), y.at(step.cost))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        let Some(last) = steps.last() else { continue };
        // Names do not cover each other.
        let mut at = y.at(last.cost);
        while names.iter().any(|(known, _)| (known - at).abs() < 15.0) {
            at += 15.0;
        }
        let (px, py) = (x.at(last.rate), y.at(last.cost));
        let name = format!(
            "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3.5\" fill=\"{colour}\"/><path d=\"M{px:.1} {py:.1}L{:.1} {at:.1}\" stroke=\"{colour}\" stroke-width=\"0.5\"/><text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            WIDTH - right + 6.0,
            WIDTH - right + 10.0,
            at + 4.0,
            peer.name()
        );
        names.push((at, name));
    }
    names.iter().for_each(|(_, name)| out.push_str(&format!("{name}\n")));
    out.push_str("</svg>\n");
    out
}

fn power_of_ten(power: i32) -> String {
    match power {
        ..0 => format!("{}", 10f64.powi(power)),
        0..3 => format!("{}", 10u64.pow(power as u32)),
        3..6 => format!("{} k", 10u64.pow(power as u32 - 3)),
        _ => format!("{} M", 10u64.pow(power as u32 - 6)),
    }
}
