//! Tests that cross the roles: the harness, end-to-end, faults, clients and benchmarks.
