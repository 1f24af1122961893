package sdp

import psdp "github.com/pion/sdp/v3"

// Pion is a normalised copy for typed access.
func (d *Description) Pion() (*psdp.SessionDescription, error) { return nil, ErrSyntax }
