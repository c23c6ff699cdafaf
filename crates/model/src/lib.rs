//! The protocol of office and workers as a model, checked in every order of events.
