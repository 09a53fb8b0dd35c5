# Brings the named updates from this Windows' own update source (WSUS, by policy), and installs them.
#
#   powershell -NoProfile -ExecutionPolicy Bypass -File Install-FromSource.ps1 -Kb KB5058411,KB5058499 [-DownloadOnly]
#
# Needs SYSTEM or an administrator. Ends with 0: done, 3010: done once the machine has restarted, 1: failed, as it says.
param([Parameter(Mandatory)] [string] $Kb, [switch] $DownloadOnly)
$ErrorActionPreference = 'Stop'
$succeeded = 2 # OperationResultCode.orcSucceeded; 3 is with errors

function Exit-Failed([string] $What) {
    Write-Output $What
    exit 1
}

$numbers = @($Kb -split ',' | ForEach-Object { $_ -replace '^KB', '' })
$session = New-Object -ComObject Microsoft.Update.Session
$session.ClientApplicationID = 'renkei-agent'
$offered = $session.CreateUpdateSearcher().Search("IsInstalled=0 and Type='Software'").Updates
$chosen = New-Object -ComObject Microsoft.Update.UpdateColl
foreach ($update in $offered) {
    if (@($update.KBArticleIDs | Where-Object { $numbers -contains $_ }).Count -gt 0) {
        if (-not $update.EulaAccepted) { $update.AcceptEula() }
        [void]$chosen.Add($update)
    }
}
if ($chosen.Count -eq 0) { Exit-Failed "the update source offers none of $Kb; are they approved for this machine's ring?" }

$downloader = $session.CreateUpdateDownloader()
$downloader.Updates = $chosen
$downloaded = $downloader.Download()
if ($downloaded.ResultCode -ne $succeeded) { Exit-Failed ('download failed, 0x{0:X8}' -f $downloaded.HResult) }
if ($DownloadOnly) { exit 0 }

$installer = $session.CreateUpdateInstaller()
$installer.Updates = $chosen
$installed = $installer.Install()
if ($installed.ResultCode -ne $succeeded) { Exit-Failed ('installation failed, 0x{0:X8}' -f $installed.HResult) }
if ($installed.RebootRequired) { exit 3010 }
