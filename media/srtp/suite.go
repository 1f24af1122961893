package srtp

import (
	"crypto/aes"
	"crypto/cipher"

	pion "github.com/pion/srtp/v2"

	"callseal/media/ecb"
)

// transform is what a suite does to one packet whose header, source and index are known. A transform that returns
// false has left the packet as it was.
type transform interface {
	// sealRTP encrypts packet[head:], appends the tag and returns the new length. The capacity has been checked.
	sealRTP(packet []byte, head int, ssrc uint32, index uint64) int
	// openRTP authenticates a packet with its tag and decrypts packet[head:] without it. ahead may be nil.
	openRTP(packet []byte, head int, ssrc uint32, index uint64, ahead *Ahead) bool
	// aheadRTP lets the MAC that openRTP will need wait, if there is one.
	aheadRTP(packet []byte, index uint64, ahead *Ahead)
	// sealRTCP encrypts packet[8:], appends index and tag and returns the new length. The capacity has been checked.
	sealRTCP(packet []byte, ssrc, index uint32) int
	// openRTCP authenticates a packet with index and tag and decrypts packet[8:] without them.
	openRTCP(packet []byte, ssrc, index uint32) bool
	// indexRTCP returns the 32-bit word of E flag and index (RFC 3711 section 3.4).
	indexRTCP(packet []byte) uint32
	// overhead returns how many bytes sealing adds.
	overhead() (rtp, rtcp int)
}

// suite is one row of the table of suites. Lengths are in bytes.
type suite struct {
	key, salt int
	build     builder
}

// builder makes a suite's transform in b.
type builder func(b *box, k sessionKeys, mki int, work *Scratch) error

// box is a transform as a part of the context that it is for: what a packet needs lies close together, and is not looked
// for all over the memory.
type box struct {
	transform // &material, as an *aesCM or an *aesGCM
	material  material
}

// material is what a transform of any suite keeps.
type material struct {
	rtp      ready
	work     *Scratch
	tag, mki uint8 // bytes of the SRTP tag of AES-CM, and of the master key identifier when opening
	rtcp     ready
}

// ready are the session keys for one packet kind, ready to use.
type ready struct {
	blocks ecb.Key // AES-CM
	auth   macKey
	aead   cipher.AEAD // GCM
	salt   [aes.BlockSize]byte
}

// Scratch is working memory that the contexts of one goroutine share, so that it is always in the processor's caches.
type Scratch struct {
	mac     mac // made for the first suite that needs it
	held    bool
	waiting *waiting // nil before the first Hold
	nonce   [gcmNonce]byte
	data    [gcmNonce]byte // the associated data of SRTCP: header and ESRTCP word
	plain   [2048]byte     // what GCM has opened
}

// suites holds the lengths of RFC 3711 section 8.2, RFC 6188 section 3.2 and RFC 7714 section 12.
// An _32 suite shortens the tag of SRTP only: SRTCP keeps 80 bits (RFC 4568 section 6.2.2, RFC 3711 section 5.2).
var suites = map[pion.ProtectionProfile]suite{
	pion.ProtectionProfileAes128CmHmacSha1_80: {key: 16, salt: 14, build: newAESCM(10)},
	pion.ProtectionProfileAes128CmHmacSha1_32: {key: 16, salt: 14, build: newAESCM(4)},
	pion.ProtectionProfileAes256CmHmacSha1_80: {key: 32, salt: 14, build: newAESCM(10)},
	pion.ProtectionProfileAes256CmHmacSha1_32: {key: 32, salt: 14, build: newAESCM(4)},
	pion.ProtectionProfileAeadAes128Gcm:       {key: 16, salt: 12, build: newAESGCM},
	pion.ProtectionProfileAeadAes256Gcm:       {key: 32, salt: 12, build: newAESGCM},
}

// maxMKI is the longest master key identifier in bytes (RFC 4568 section 6.1).
const maxMKI = 128

// fill derives the session keys of k and makes the suite's transform of them. Without a scratch it gets its own.
func (b *box) fill(k Key, work *Scratch) error {
	row, ok := suites[k.Profile]
	if !ok {
		return ErrProfile
	}
	if len(k.Master) != row.key+row.salt || k.MKI < 0 || k.MKI > maxMKI {
		return ErrKeyLength
	}
	keys, err := deriveKeys(k.Master[:row.key], k.Master[row.key:])
	if err != nil {
		return err
	}
	if work == nil {
		work = &Scratch{}
	}
	return row.build(b, keys, k.MKI, work)
}
