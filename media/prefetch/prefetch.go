// Package prefetch asks the processor for memory that will be needed soon. It changes nothing but the time that this
// takes.
package prefetch
