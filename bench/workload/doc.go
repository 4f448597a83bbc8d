// Package workload is what is measured: the table of workloads with their bounds, and the bytes that they work on, which are the same in every run.
package workload
