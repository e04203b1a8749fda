//! Groups of greenlets, and pools that bound how many there are.
