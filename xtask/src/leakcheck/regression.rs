//! A straight line through points, and how sure its slope is. Pure.

/// The slope of a line, with its interval of confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slope {
    pub(super) slope: f64,
    /// With 95 % confidence it lies between these.
    pub(super) least: f64,
    pub(super) most: f64,
}

/// Ordinary least squares of `y` on `x`, with the interval from Student's t distribution, as in any textbook of
/// statistics; `None` for fewer than four points, or where all `x` are the same.
pub(super) fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    if points.len() < 4 {
        return None;
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if spread == 0.0 {
        return None;
    }
    let slope = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
    let residue: f64 = points.iter().map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2)).sum();
    let freedom = points.len() - 2;
    let half = student(freedom) * (residue / freedom as f64 / spread).sqrt();
    Some(Slope { slope, least: slope - half, most: slope + half })
}

/// The 97.5th percentile of Student's t; between the entries the one of fewer degrees, which is the wider interval.
fn student(freedom: usize) -> f64 {
    const TABLE: [(usize, f64); 12] = [
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (6, 2.447),
        (8, 2.306),
        (10, 2.228),
        (14, 2.145),
        (20, 2.086),
        (30, 2.042),
        (60, 2.000),
        (120, 1.980),
    ];
    TABLE.iter().rev().find(|(least, _)| *least <= freedom).expect("two degrees at least").1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_noise_is_found_as_it_is() {
        let points: Vec<(f64, f64)> = (0..10).map(|x| (f64::from(x), 7.0 + 16.0 * f64::from(x))).collect();
        let found = slope(&points).unwrap();
        assert!((found.slope - 16.0).abs() < 1e-9 && found.most - found.least < 1e-6, "{found:?}");
    }

    /// The example of Wikipedia's "Simple linear regression" (heights and masses of women), where the interval is given.
    #[test]
    fn the_interval_is_that_of_the_textbook() {
        let heights = [1.47, 1.50, 1.52, 1.55, 1.57, 1.60, 1.63, 1.65, 1.68, 1.70, 1.73, 1.75, 1.78, 1.80, 1.83];
        let masses =
            [52.21, 53.12, 54.48, 55.84, 57.20, 58.57, 59.93, 61.29, 63.11, 64.47, 66.28, 68.10, 69.92, 72.19, 74.46];
        let points: Vec<(f64, f64)> = heights.into_iter().zip(masses).collect();
        let found = slope(&points).unwrap();
        assert!((found.slope - 61.272).abs() < 0.001, "{found:?}");
        // [57.4, 65.1] with 13 degrees; the table's entry for 10 is a little wider.
        assert!((57.2..57.5).contains(&found.least) && (65.0..65.3).contains(&found.most), "{found:?}");
    }

    #[test]
    fn too_little_says_nothing() {
        assert_eq!(slope(&[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]), None);
        assert_eq!(slope(&[(1.0, 1.0); 9]), None);
    }
}
