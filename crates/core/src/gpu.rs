//! What is reserved of a machine's GPUs for one worker or task.

use serde::{Deserialize, Serialize};

/// Devices, and as much of each as is reserved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuShare {
    /// As `CUDA_VISIBLE_DEVICES` names them. Without any it sees no GPU.
    pub devices: Vec<String>,
    /// Thousandths of each of them.
    pub part: u32,
}

impl GpuShare {
    /// Where whoever holds the share reads which devices it may use.
    pub const VARIABLE: &'static str = "CUDA_VISIBLE_DEVICES";

    /// What the variable says.
    pub fn visible(&self) -> String {
        self.devices.join(",")
    }
}
