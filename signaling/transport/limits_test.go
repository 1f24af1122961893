package transport

const descriptorChild = "CALLSEAL_DESCRIPTOR_CHILD"
