//go:build !linux

package media

// newBackend returns the backend for systems that have none of their own. It sets no DSCP.
func newBackend(int) (backend, error) { return newPortable() }
