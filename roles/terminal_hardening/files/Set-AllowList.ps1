# Makes a list of what may run (AppLocker) the machine's own policy, and starts what enforces it.
param(
    # the policy, as Get-AppLockerPolicy -Xml writes it
    [Parameter(Mandatory)] [string] $Policy
)
$ErrorActionPreference = 'Stop'
$file = Join-Path ([IO.Path]::GetTempPath()) "renkei-$([guid]::NewGuid()).xml"
try {
    [IO.File]::WriteAllText($file, $Policy, [Text.Encoding]::Unicode)
    Set-AppLockerPolicy -XmlPolicy $file
}
finally { Remove-Item -LiteralPath $file -ErrorAction SilentlyContinue }
# a protected service: its start type is set by the registry file (listed-software), here it starts for today
Start-Service -Name AppIDSvc -ErrorAction SilentlyContinue
