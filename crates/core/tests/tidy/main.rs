//! The rules of the house that a machine can hold: who may use whom, how large things may grow, what may not be committed.
//! Reads sources as text; needs nothing built but itself.

mod borders;
mod committed;
mod first_lines;
mod promises;
mod sizes;
mod sources;
