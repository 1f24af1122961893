//go:build !linux

package capture

// Capture works on Linux only.
type Capture struct{}

// Start always fails.
func Start(string) (*Capture, error) { return nil, ErrUnsupported }

// Own does nothing.
func (*Capture) Own(uint16) {}

// Counts are none.
func (*Capture) Counts() Counts { return Counts{} }

// Close does nothing.
func (*Capture) Close() Counts { return Counts{} }
