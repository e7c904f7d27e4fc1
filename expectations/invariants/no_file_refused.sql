/*
table: night.refused_files
severity: error
says: files were refused whole
why: A picture without a file that was delivered looks complete and is not.
action: Mend or remove the file, then run the night again.
shown: [file_name, reason]
*/
select file_name, reason
from night.refused_files
