//! The one place that writes: answers to the standard output, notices and errors to the standard error.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use jiff::tz::TimeZone;
use nogfso_contract::codec::Answer;
use serde::Serialize;

use crate::camel::camel_keys;
use crate::gateway::Answered;
use crate::render::{Look, Render};
use crate::trouble::Trouble;

/// How answers are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The API's answer as one JSON document; errors too, on the standard error.
    Json,
}

/// Where output goes, and in which form.
pub struct Console {
    format: Format,
    look: Look,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    is_terminal: bool,
}

impl Console {
    /// The console of this process.
    #[must_use]
    pub fn standard(format: Format) -> Self {
        Self {
            format,
            look: Look {
                zone: TimeZone::system(),
            },
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A console that writes elsewhere, in UTC, as if not on a terminal.
    #[cfg(test)]
    pub(crate) fn writing_to(format: Format, out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self {
            format,
            look: Look {
                zone: TimeZone::UTC,
            },
            out,
            err,
            is_terminal: false,
        }
    }

    /// Whether a person looks at the standard error.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows an answer of the gateway.
    pub(crate) fn answer<T: Render>(&mut self, answered: &Answered<T>) -> Result<(), Trouble> {
        match self.format {
            Format::Text => self.write(&answered.value.text(&self.look)),
            Format::Json => self.write(&format!("{}\n", answered.raw.get())),
        }
    }

    /// Shows an answer that was put together from several of the gateway's.
    pub(crate) fn composed<T: Render + Serialize>(&mut self, value: &T) -> Result<(), Trouble> {
        match self.format {
            Format::Text => self.write(&value.text(&self.look)),
            Format::Json => self.write(&format!("{}\n", json(value)?)),
        }
    }

    /// Shows a value as one line of JSON in either form.
    pub(crate) fn json_line<T: Serialize>(&mut self, value: &T) -> Result<(), Trouble> {
        let json = json(value)?;
        match self.format {
            Format::Text => self.write(&format!("{}\n", camel_keys(&json))),
            Format::Json => self.write(&format!("{json}\n")),
        }
    }

    /// Writes text as it is.
    pub(crate) fn write(&mut self, text: &str) -> Result<(), Trouble> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        Ok(())
    }

    /// Says something that is no part of the answer.
    pub(crate) fn notice(&mut self, text: &str) {
        self.complain(&format!("# {text}\n"));
    }

    /// Says something that only a person can use.
    pub(crate) fn remark(&mut self, text: &str) {
        match self.format {
            Format::Text => self.notice(text),
            Format::Json => {}
        }
    }

    /// Tells why the command did not do what was asked.
    pub(crate) fn tell(&mut self, trouble: &Trouble) {
        if trouble.is_silent() {
            return;
        }
        let text = match self.format {
            Format::Text => {
                let advice = trouble.advice().map(|advice| format!("  {advice}\n"));
                let label = if trouble.is_wanted() { "# " } else { "fatal: " };
                format!("{label}{trouble}\n{}", advice.unwrap_or_default())
            }
            Format::Json => {
                let answer = Answer::<()>::Error(trouble.failure());
                json(&answer).map_or_else(
                    |trouble| trouble.to_string(),
                    |json| {
                        json + "
"
                    },
                )
            }
        };
        self.complain(&text);
    }

    fn complain(&mut self, text: &str) {
        // If the standard error is gone, there is nowhere left to say so.
        self.err
            .write_all(text.as_bytes())
            .and_then(|()| self.err.flush())
            .ok();
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value).map_err(|error| Trouble::Output(error.into()))
}
