"""What people are told about a file: why it is refused, and what was noticed and passed over."""

from finview.i18n import N_, sentences

REASONS = sentences(
    {
        "PASSWORD_PROTECTED": N_(
            "The file is protected by a password. Please save it without a password and upload it again."
        ),
        "FILE_TOO_LARGE": N_("The file has {bytes} bytes; at most {limit} are accepted."),
        "FILE_TOO_LARGE_UNCOMPRESSED": N_(
            "Unpacked, the file is far larger than a spreadsheet may be."
        ),
        "TOO_MANY_PARTS": N_("The file consists of more than {limit} parts."),
        "COLUMN_LIMIT": N_("Only the first {limit} columns of a sheet are read."),
        "ROW_LIMIT": N_(
            "The sheet has more than {limit} rows. Please split the file and upload its parts."
        ),
        "READER_LIMIT": N_("Reading the file took more memory or time than is allowed."),
        "UNSUPPORTED_FILE_TYPE": N_("This is not a spreadsheet. Please upload .xlsx or .csv."),
        "NOT_A_WORKBOOK": N_("This is an archive or document, but not an Excel workbook."),
        "UNSUPPORTED_HTML_AS_XLS": N_(
            "This is a web page with the name of a spreadsheet. Please open it in Excel, save it as .xlsx and upload that."
        ),
        "UNSUPPORTED_LEGACY_FORMAT": N_(
            "This older or other spreadsheet format is not read. Please save the file as .xlsx and upload that."
        ),
        "FILE_EMPTY": N_("The file is empty."),
        "FILE_CORRUPT": N_("The file is damaged or incomplete. Please upload it again."),
        "XML_DTD_FORBIDDEN": N_(
            "The workbook contains declarations that are used for attacks; it is not read."
        ),
        "WORKBOOK_UNREADABLE": N_(
            "The workbook can't be read. Please open it in Excel, save it again and upload that."
        ),
        "NO_DATA_ROWS": N_("The file has no data below its header."),
        "SHEET_UNKNOWN": N_("The workbook has no sheet named {sheet}."),
        "BANK_FILE_TYPE": N_(
            "This is no bank statement that can be read. Please upload CAMT.053 (XML) or CSV."
        ),
        "BANK_FILE_UNREADABLE": N_(
            "The bank statement is damaged or incomplete. Please export it again and upload that."
        ),
        "BANK_FILE_DTD": N_(
            "The bank statement contains declarations that are used for attacks; it is not read."
        ),
        "BANK_FILE_NO_AMOUNT": N_("The file has no column of amounts."),
        "BANK_FILE_NO_DATE": N_("The file has no column of booking or value dates."),
        "BANK_FILE_AMOUNT": N_("Entry or line {line}: “{text}” is not an amount."),
        "BANK_FILE_DATE": N_("Entry or line {line}: “{text}” is not a date."),
        "BANK_FILE_CURRENCY": N_("Entry or line {line}: “{text}” is not a currency."),
        "BANK_FILE_DATES_UNCLEAR": N_(
            "The dates could mean day and month or month and day. Please export the file with unmistakable dates, such as 2026-04-03."
        ),
        "BANK_FILE_LINES": N_(
            "The bank statement has more than {limit} lines. Please export a shorter period."
        ),
        "BANK_FILE_READER": N_("The reader {reader} gave a line that is not right: {why}."),
    }
)

NOTICES = sentences(
    {
        "NOTICE_EXTENSION_MISMATCH": N_(
            "The content is {format}, though the name ends in {extension}. The content was read."
        ),
        "NOTICE_MACROS_IGNORED": N_("The workbook contains macros. They were not read or kept."),
        "NOTICE_HIDDEN_ROWS": N_(
            "{count} rows are hidden or filtered out in Excel; they are read."
        ),
        "NOTICE_TOTAL_ROW": N_("Row {row} is a line of totals and was left out."),
        "ENCODING_UNCERTAIN": N_(
            "The characters of this file could mean different letters. Read as {encoding}; please check the umlauts."
        ),
    }
)
