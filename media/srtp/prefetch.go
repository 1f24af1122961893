package srtp

import (
	"unsafe"

	"callseal/media/prefetch"
)

// A context is prefetched in two steps, some hundred nanoseconds apart: Prefetch loads it, PrefetchKeys what it points
// to. Both are for the next RTP packet of its first SSRC.

// Prefetch begins to load the context.
func (p *Protect) Prefetch() {
	prefetch.Lines(unsafe.Pointer(p), int(unsafe.Offsetof(p.box)+hotBox+63)/64)
}

// PrefetchKeys begins to load the key schedule.
func (p *Protect) PrefetchKeys() { p.box.prefetch() }

// Prefetch begins to load the context.
func (u *Unprotect) Prefetch() {
	prefetch.Lines(unsafe.Pointer(u), int(unsafe.Offsetof(u.box)+hotBox+63)/64)
}

// PrefetchKeys begins to load the key schedule.
func (u *Unprotect) PrefetchKeys() { u.box.prefetch() }

const (
	hotBox      = unsafe.Offsetof(box{}.material) + unsafe.Offsetof(material{}.rtcp) // bytes of a box that RTP needs
	aesSchedule = 4                                                                  // cache lines of a key schedule of AES for encryption, at most
	gcmSchedule = 8                                                                  // and of crypto/cipher's GCM with its table
)

// prefetch looks behind the interfaces: whatever lies there, reading ahead is harmless.
func (b *box) prefetch() {
	type boxed struct{ _, data unsafe.Pointer }
	if b.material.rtp.blocks != nil {
		prefetch.Lines((*boxed)(unsafe.Pointer(&b.material.rtp.blocks)).data, aesSchedule)
		return
	}
	prefetch.Lines((*boxed)(unsafe.Pointer(&b.material.rtp.aead)).data, gcmSchedule)
}
