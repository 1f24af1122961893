//go:build !linux

package capture

// Capture works on Linux only.
type Capture struct{}

// New makes one that cannot start.
func New(string) *Capture { return &Capture{} }

// Start always fails.
func (*Capture) Start() error { return ErrUnsupported }

// Own does nothing.
func (*Capture) Own(uint16) {}

// Close does nothing.
func (*Capture) Close() Counts { return Counts{} }
