//! A container whose file is being changed.

use std::io;
use std::ops::Deref;

use super::super::lock::Lock;
use super::Store;
use super::error::StoreError;
use super::form::Stored;

/// A container that is locked until this is dropped, and what is written of it: `None` if nothing.
#[derive(Debug)]
pub struct Locked<'s, T: Stored> {
    pub(super) store: &'s Store<T>,
    pub(super) id: T::Id,
    pub(super) value: Option<T>,
    pub(super) lock: Option<Lock>,
}

impl<T: Stored> Locked<'_, T> {
    /// Takes the value out, to change it and [`Locked::put`] it back. What is written stays.
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Writes `value` in place of what is written, in one step.
    ///
    /// # Errors
    /// It can't be written, or is about another container than the locked one.
    pub fn put(&mut self, value: T) -> Result<(), StoreError> {
        if value.id() != &self.id {
            let source = io::Error::other(format!("the value is of {} {}", T::WHAT, value.id()));
            return Err(StoreError::Write { path: self.store.path(&self.id), source });
        }
        self.store.write(&value)?;
        self.value = Some(value);
        Ok(())
    }

    /// Removes what is written; says whether there was anything.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(mut self) -> Result<bool, StoreError> {
        self.value = None;
        self.store.remove_locked(&self.id)
    }
}

impl<T: Stored> Deref for Locked<'_, T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.value
    }
}

impl<T: Stored> Drop for Locked<'_, T> {
    /// A container of which nothing is written has no lock's file either.
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take()
            && self.value.is_none()
            && !self.store.path(&self.id).exists()
        {
            // If it stays, the next sweep removes it.
            let _ = lock.remove();
        }
    }
}
