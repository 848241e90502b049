//! Chance from a seed: the same on every machine, so that a plan can be repeated.
//! Not for secrets.

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `[0, end)`; 0 when `end` is.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// The pause before the next event of those that come independently, `rate` in a second.
    pub fn gap(&mut self, rate: f64) -> f64 {
        -(1.0 - self.share()).ln() / rate
    }

    /// Lognormal, with the mean 1 and the standard deviation `spread`.
    pub fn factor(&mut self, spread: f64) -> f64 {
        if spread <= 0.0 {
            return 1.0;
        }
        let variance = (1.0 + spread * spread).ln();
        let normal = (-2.0 * (1.0 - self.share()).ln()).sqrt()
            * (std::f64::consts::TAU * self.share()).cos();
        (variance.sqrt() * normal - variance / 2.0).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_has_the_means_it_promises() {
        let mut random = Random::new(7);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..50_000).map(|_| draw()).sum::<f64>() / 5e4;
        let gap = mean(&mut || random.gap(20.0));
        assert!((gap - 0.05).abs() < 0.001, "{gap}");
        let factor = mean(&mut || random.factor(0.3));
        assert!((factor - 1.0).abs() < 0.01, "{factor}");
        let squared = mean(&mut || (random.factor(0.3) - 1.0).powi(2)).sqrt();
        assert!((squared - 0.3).abs() < 0.02, "{squared}");
        let below = mean(&mut || random.below(10) as f64);
        assert!((below - 4.5).abs() < 0.05, "{below}");
        assert_eq!(random.factor(0.0), 1.0);
    }
}
