#include "textflag.h"

// FOLD makes of the last round key in K, and of one word four times in T, the next one: each word is XORed with all those
// before it and with T.
#define FOLD(K, T) \
	MOVO   K, X5; PSLLDQ $4, X5; PXOR X5, K; \
	PSLLDQ $4, X5; PXOR X5, K; \
	PSLLDQ $4, X5; PXOR X5, K; \
	PXOR   T, K

#define NEXT128(rcon) \
	AESKEYGENASSIST $rcon, X0, X1; \
	PSHUFD $0xff, X1, X1; \
	FOLD(X0, X1); \
	ADDQ   $16, BX; \
	MOVUPS X0, (BX)

// func expand128(key *[16]byte, schedule *key128)
TEXT ·expand128(SB), NOSPLIT, $0-16
	MOVQ   key+0(FP), AX
	MOVQ   schedule+8(FP), BX
	MOVUPS (AX), X0
	MOVUPS X0, (BX)
	NEXT128(0x01)
	NEXT128(0x02)
	NEXT128(0x04)
	NEXT128(0x08)
	NEXT128(0x10)
	NEXT128(0x20)
	NEXT128(0x40)
	NEXT128(0x80)
	NEXT128(0x1b)
	NEXT128(0x36)
	RET

#define EVEN256(rcon) \
	AESKEYGENASSIST $rcon, X2, X1; \
	PSHUFD $0xff, X1, X1; \
	FOLD(X0, X1); \
	ADDQ   $16, BX; \
	MOVUPS X0, (BX)

#define ODD256 \
	AESKEYGENASSIST $0, X0, X1; \
	PSHUFD $0xaa, X1, X1; \
	FOLD(X2, X1); \
	ADDQ   $16, BX; \
	MOVUPS X2, (BX)

// func expand256(key *[32]byte, schedule *key256)
TEXT ·expand256(SB), NOSPLIT, $0-16
	MOVQ   key+0(FP), AX
	MOVQ   schedule+8(FP), BX
	MOVUPS (AX), X0
	MOVUPS 16(AX), X2
	MOVUPS X0, (BX)
	ADDQ   $16, BX
	MOVUPS X2, (BX)
	EVEN256(0x01)
	ODD256
	EVEN256(0x02)
	ODD256
	EVEN256(0x04)
	ODD256
	EVEN256(0x08)
	ODD256
	EVEN256(0x10)
	ODD256
	EVEN256(0x20)
	ODD256
	EVEN256(0x40)
	RET

// ROUND8 is a step of the cipher for eight blocks under one round key, in X8.
#define ROUND8(STEP) \
	STEP X8, X0; \
	STEP X8, X1; \
	STEP X8, X2; \
	STEP X8, X3; \
	STEP X8, X4; \
	STEP X8, X5; \
	STEP X8, X6; \
	STEP X8, X7

// BLOCK makes the counter block of AX, XORed with the first round key: X9 is that of high alone, R9 what is on the other half.
#define BLOCK(X) \
	MOVQ   AX, R10; \
	BSWAPQ R10; \
	XORQ   R9, R10; \
	MOVO   X9, X; \
	PINSRQ $1, R10, X; \
	INCQ   AX

// ADD adds a block of key stream to one of the data.
#define ADD(at, X) \
	MOVUPS at(DI), X8; \
	PXOR   X8, X; \
	MOVUPS X, at(DI)

// func counter(rounds int, schedule, blocks *byte, n int, high, low uint64)
// Eight blocks at a time keep the unit busy that one alone would wait for; those left over overlap by themselves.
// The blocks are made, encrypted and added without being written anywhere.
TEXT ·counter(SB), NOSPLIT, $0-48
	MOVQ   rounds+0(FP), CX
	MOVQ   schedule+8(FP), BX
	MOVQ   blocks+16(FP), DI
	MOVQ   n+24(FP), DX
	MOVQ   high+32(FP), R8
	MOVQ   low+40(FP), AX
	BSWAPQ R8
	XORQ   (BX), R8
	MOVQ   R8, X9
	MOVQ   8(BX), R9

eight:
	SUBQ $8, DX
	JLT  rest
	BLOCK(X0)
	BLOCK(X1)
	BLOCK(X2)
	BLOCK(X3)
	BLOCK(X4)
	BLOCK(X5)
	BLOCK(X6)
	BLOCK(X7)
	LEAQ 16(BX), SI
	LEAQ -1(CX), R8

round8:
	MOVUPS (SI), X8
	ROUND8(AESENC)
	ADDQ   $16, SI
	DECQ   R8
	JNZ    round8
	MOVUPS (SI), X8
	ROUND8(AESENCLAST)
	ADD(0, X0)
	ADD(16, X1)
	ADD(32, X2)
	ADD(48, X3)
	ADD(64, X4)
	ADD(80, X5)
	ADD(96, X6)
	ADD(112, X7)
	ADDQ   $128, DI
	JMP    eight

rest:
	ADDQ $8, DX

one:
	SUBQ $1, DX
	JLT  done
	BLOCK(X0)
	LEAQ 16(BX), SI
	LEAQ -1(CX), R8

round1:
	MOVUPS (SI), X8
	AESENC X8, X0
	ADDQ   $16, SI
	DECQ   R8
	JNZ    round1
	MOVUPS (SI), X8
	AESENCLAST X8, X0
	ADD(0, X0)
	ADDQ   $16, DI
	JMP    one

done:
	RET
