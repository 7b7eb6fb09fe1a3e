//! The people's door: sign-in, second step, consent, account, and the panel for administrators.
//!
//! Each page is one file: the request is parsed, one verb of `app` is called, its answer becomes a
//! page or a way on. No rule is decided here, and every page is complete without JavaScript.

mod assets;
mod done;
mod face;
mod form;
mod frame;
mod notice;
mod onward;
mod panel;
mod picture;
mod portal;
mod problem;
mod qr;
mod theme;
mod words;

#[cfg(test)]
mod samples;

pub use panel::panel;
pub use portal::portal;
pub use problem::render_problem;
