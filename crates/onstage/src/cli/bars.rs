//! What is shown while something takes its time: a spinner or bar on a terminal, plain lines elsewhere.
//! Writes to standard error only.

use super::print;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{io::IsTerminal, sync::Arc, time::Duration};

const TICK: Duration = Duration::from_millis(100);
const SPINNER: &str = "{spinner} {wide_msg}";
const BYTES: &str = "{prefix} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}";
const ROWS: &str = "{wide_bar} {human_pos}/{human_len}  {msg}";

/// One line of work in progress.
#[derive(Clone)]
pub(super) struct Bar {
    bar: ProgressBar,
    shown: bool,
    said: String,
}

impl Bar {
    /// A spinner with a text.
    pub(super) fn spinner() -> Self {
        let bar = Self::new(ProgressBar::new_spinner(), SPINNER);
        if bar.shown {
            bar.bar.enable_steady_tick(TICK);
        }
        bar
    }

    /// Bytes on their way; the text stands before them.
    pub(super) fn bytes(total: u64, text: &str) -> Self {
        let bar = Self::new(ProgressBar::new(total), BYTES);
        bar.bar.set_prefix(text.to_owned());
        bar
    }

    fn new(bar: ProgressBar, template: &str) -> Self {
        let shown = std::io::stderr().is_terminal();
        bar.set_draw_target(if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let bar = Self {
            bar,
            shown,
            said: String::new(),
        };
        bar.style(template);
        bar
    }

    fn style(&self, template: &str) {
        let style = ProgressStyle::with_template(template).expect("the templates above are valid");
        self.bar.set_style(style);
    }

    /// What is happening now. Where there is no terminal it becomes a line when it changes.
    pub(super) fn text(&mut self, text: &str) {
        let text = print::harmless(text).replace('\n', " ");
        self.bar.set_message(text.clone());
        if !self.shown && !text.is_empty() && self.said != text {
            print::say(&text);
        }
        self.said = text;
    }

    /// A text that changes too often to become lines.
    pub(super) fn detail(&self, text: String) {
        self.bar.set_message(text);
    }

    /// From now on so many of so many, instead of a spinner.
    pub(super) fn rows(&mut self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            self.style(ROWS);
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }

    /// A line above the bar, which stays.
    pub(super) fn line(&self, text: &str) {
        self.bar.suspend(|| print::say(text));
    }

    /// Whether a person sees it.
    pub(super) fn shown(&self) -> bool {
        self.shown
    }

    /// What an upload or download tells its progress to.
    pub(super) fn moved(&self) -> Arc<dyn Fn(u64) + Send + Sync> {
        let bar = self.bar.clone();
        Arc::new(move |bytes| bar.inc(bytes))
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
