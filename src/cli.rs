pub mod exit; pub mod failure; pub mod pick;
