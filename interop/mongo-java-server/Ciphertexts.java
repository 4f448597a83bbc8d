import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.MessageToMessageCodec;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * Lets a server keep binary values of subtype 6 that knows no binary subtypes but 0, 3 and 4: on the way in they become values of subtype 0 that
 * begin with a mark, and on the way out again what they were. Equal values stay equal, and different ones different. Messages other than OP_MSG,
 * such as the first handshake, pass as they are.
 */
final class Ciphertexts extends MessageToMessageCodec<ByteBuf, ByteBuf> {
    private static final byte[] MARK = "interop subtype 6:".getBytes(StandardCharsets.US_ASCII);
    private static final int OP_MSG = 2013;
    private static final int CHECKSUM_PRESENT = 1;

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf message, List<Object> out) {
        out.add(rewrite(context, message, Ciphertexts::mark));
    }

    @Override
    protected void encode(ChannelHandlerContext context, ByteBuf message, List<Object> out) {
        out.add(rewrite(context, message, Ciphertexts::unmark));
    }

    /** Writes a binary value that has been read. */
    private interface Writer {
        void write(byte subtype, byte[] data, ByteBuf out);
    }

    private static void mark(byte subtype, byte[] data, ByteBuf out) {
        if (subtype != 6) {
            write(data.length, subtype, out).writeBytes(data);
            return;
        }
        write(MARK.length + data.length, (byte) 0, out).writeBytes(MARK).writeBytes(data);
    }

    private static void unmark(byte subtype, byte[] data, ByteBuf out) {
        if (subtype != 0 || data.length < MARK.length || !Arrays.equals(data, 0, MARK.length, MARK, 0, MARK.length)) {
            write(data.length, subtype, out).writeBytes(data);
            return;
        }
        int length = data.length - MARK.length;
        write(length, (byte) 6, out).writeBytes(data, MARK.length, length);
    }

    private static ByteBuf write(int length, byte subtype, ByteBuf out) {
        return out.writeIntLE(length).writeByte(subtype);
    }

    private static ByteBuf rewrite(ChannelHandlerContext context, ByteBuf in, Writer binary) {
        if (in.getIntLE(in.readerIndex() + 12) != OP_MSG) {
            return in.readRetainedSlice(in.readableBytes());
        }
        ByteBuf out = context.alloc().buffer(in.readableBytes() + 1024);
        out.writeBytes(in, 16);
        int flags = in.readIntLE();
        out.writeIntLE(flags & ~CHECKSUM_PRESENT);
        int checksum = (flags & CHECKSUM_PRESENT) == 0 ? 0 : 4;
        while (in.readableBytes() > checksum) {
            section(in, out, binary);
        }
        in.skipBytes(checksum);
        out.setIntLE(0, out.writerIndex());
        return out;
    }

    private static void section(ByteBuf in, ByteBuf out, Writer binary) {
        byte kind = in.readByte();
        out.writeByte(kind);
        if (kind == 0) {
            document(in, out, binary);
            return;
        }
        int start = out.writerIndex();
        int end = in.readerIndex() + in.readIntLE();
        out.writeIntLE(0);
        string(in, out);
        while (in.readerIndex() < end) {
            document(in, out, binary);
        }
        out.setIntLE(start, out.writerIndex() - start);
    }

    private static void document(ByteBuf in, ByteBuf out, Writer binary) {
        int start = out.writerIndex();
        in.skipBytes(4);
        out.writeIntLE(0);
        for (byte type = in.readByte(); type != 0; type = in.readByte()) {
            out.writeByte(type);
            string(in, out);
            value(type, in, out, binary);
        }
        out.writeByte(0);
        out.setIntLE(start, out.writerIndex() - start);
    }

    private static void value(byte type, ByteBuf in, ByteBuf out, Writer binary) {
        switch (type) {
            case 0x03, 0x04 -> document(in, out, binary);
            case 0x05 -> {
                byte[] data = new byte[in.readIntLE()];
                byte subtype = in.readByte();
                in.readBytes(data);
                binary.write(subtype, data, out);
            }
            case 0x01, 0x09, 0x11, 0x12 -> out.writeBytes(in, 8);
            case 0x02, 0x0D, 0x0E -> out.writeBytes(in, 4 + in.getIntLE(in.readerIndex()));
            case 0x06, 0x0A, 0x7F, -1 -> { } // no value
            case 0x07 -> out.writeBytes(in, 12);
            case 0x08 -> out.writeBytes(in, 1);
            case 0x0B -> {
                string(in, out);
                string(in, out);
            }
            case 0x0C -> out.writeBytes(in, 4 + in.getIntLE(in.readerIndex()) + 12);
            case 0x0F -> out.writeBytes(in, in.getIntLE(in.readerIndex()));
            case 0x10 -> out.writeBytes(in, 4);
            case 0x13 -> out.writeBytes(in, 16);
            default -> throw new IllegalArgumentException("BSON type " + type);
        }
    }

    private static void string(ByteBuf in, ByteBuf out) {
        out.writeBytes(in, in.bytesBefore((byte) 0) + 1);
    }
}
