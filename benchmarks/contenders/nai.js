// Reads the NAI of a registration request (RFC 2794), for nginx to choose a home agent by.
const FIXED_PART = 24, NAI = 131;

function read_nai(session) {
    session.on('upstream', function (data) {
        let offset = FIXED_PART;
        while (offset + 2 <= data.length) {
            const end = offset + 2 + data[offset + 1];
            if (data[offset] === NAI) {
                session.variables.nai = data.slice(offset + 2, end).toString('utf8');
                break;
            }
            offset = end;
        }
        session.done();
    });
}

export default {read_nai};
