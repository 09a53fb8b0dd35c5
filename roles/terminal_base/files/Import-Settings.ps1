# Hands one whole file of settings to the tool of the platform that takes it. Run by ansible.windows.win_powershell.
param(
    # security: a template for secedit; audit: a policy for auditpol; registry: a file for reg
    [Parameter(Mandatory)] [ValidateSet('security', 'audit', 'registry')] [string] $Kind,
    # the file's text
    [Parameter(Mandatory)] [string] $Content
)
$ErrorActionPreference = 'Stop'
$file = Join-Path ([IO.Path]::GetTempPath()) "renkei-$([guid]::NewGuid()).$Kind"
$tool, $arguments, $encoding = switch ($Kind) {
    'security' { 'secedit.exe', "/configure /db `"$file.sdb`" /cfg `"$file`" /areas SECURITYPOLICY USER_RIGHTS /quiet", 'Unicode' }
    'audit' { 'auditpol.exe', "/restore /file:`"$file`"", 'ASCII' }
    'registry' { 'reg.exe', "import `"$file`"", 'Unicode' }
}
try {
    [IO.File]::WriteAllText($file, $Content, [Text.Encoding]::$encoding)
    $run = Start-Process $tool $arguments -NoNewWindow -Wait -PassThru
    # secedit says 3 where it did its work and has a remark in its log
    if ($run.ExitCode -notin 0, $(if ($Kind -eq 'security') { 3 })) { throw "$tool ended with $($run.ExitCode)" }
}
finally { Remove-Item -Path "$file*" -ErrorAction SilentlyContinue }
