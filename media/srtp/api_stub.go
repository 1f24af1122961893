package srtp

// Protect seals the packets of one direction.
type Protect struct{}

// Unprotect opens the packets of one direction.
type Unprotect struct{}

// NewProtect derives the session keys of k for sending.
func NewProtect(k Key) (*Protect, error) { return nil, ErrProfile }

// NewUnprotect derives the session keys of k for receiving.
func NewUnprotect(k Key) (*Unprotect, error) { return nil, ErrProfile }

// RTP seals.
func (*Protect) RTP(buf []byte, n int) (int, error) { return 0, ErrProfile }

// RTCP seals.
func (*Protect) RTCP(buf []byte, n int) (int, error) { return 0, ErrProfile }

// RTP opens.
func (*Unprotect) RTP(buf []byte, n int) (int, error) { return 0, ErrProfile }

// RTCP opens.
func (*Unprotect) RTCP(buf []byte, n int) (int, error) { return 0, ErrProfile }
