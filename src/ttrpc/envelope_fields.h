#pragma once

/* Private to ttrpc: the field numbers of ttrpc.proto, and how protobuf marks what follows. */
enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
};

enum request_field {
	REQUEST_SERVICE = 1,
	REQUEST_METHOD = 2,
	REQUEST_PAYLOAD = 3,
	REQUEST_TIMEOUT_NANO = 4,
	REQUEST_METADATA = 5,
};

enum response_field {
	RESPONSE_STATUS = 1,
	RESPONSE_PAYLOAD = 2,
};

enum status_field {
	STATUS_CODE = 1,
	STATUS_MESSAGE = 2,
};

enum pair_field {
	PAIR_KEY = 1,
	PAIR_VALUE = 2,
};
