//go:build !linux

package media

// newBackend has no implementation here yet.
func newBackend(int) (backend, error) { return nil, ErrUnsupported }
